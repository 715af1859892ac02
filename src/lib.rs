//! Towpath: release management for Kubernetes.
//!
//! A user creates a `Release` of an application. Towpath captures its content, promotes it from environment to environment, observes
//! its health in each, and rolls it back where it fails. Each step is an object that users can read: a `Promotion` moves one release
//! to one environment, and a rollback is a `Promotion` of kind `Rollback`.
//!
//! # How a release moves
//!
//! Every object is reconciled by the same recipe, `observe -> decide -> act`:
//!
//! ```text
//!   API server --watches--> cluster::Stores --Change--> controller::Queue
//!                                                              |
//!            +--------------- reconcile one object <-----------+<--- again at wake_at
//!            v
//!        observe   reads the stores and the API server          -> World       facts, no conclusions
//!        decide    is a pure function of World and time         -> Decision    records, memory, actions, report, wake_at
//!        act       writes in that order, as the lease holder    -> API server
//! ```
//!
//! 1. The reconcile of a [`Release`](api::Release) captures its content and stores it as a [`Content`](api::Content).
//! 2. The reconcile of an [`Environment`](api::Environment) creates a [`Promotion`](api::Promotion) of a release whose gates are
//!    open, or wait only for a time or for approvals.
//! 3. The reconcile of a promotion tries every object with a dry-run, records its intent, writes wave by wave, and checks the health of
//!    the workloads until the observe window ends. Then it is `Verified`, and the next environment can follow. [`decide::promotion`]
//!    shows every state.
//!
//! A [`Recall`](api::Recall) declares content bad: its reconcile creates a rollback in every environment that runs the content.
//!
//! # The modules
//!
//! - [`api`]: the kinds, one file each: data, CEL rules, printer columns, defaults, and the reasons that a status can report. It imports
//!   no other module and makes no requests.
//! - [`content`]: the objects of a release, from a capture or manifests to the objects that are written into a namespace: selected,
//!   normalised, digested, rendered with the overrides of an environment, and ordered in waves. Pure functions.
//! - [`decide`]: all rules of release management: gates, approvals, history, health, checks, tests, recalls, notifications, the states of a
//!   promotion. Pure
//!   functions from an observed world and a time to a [`Decision`](decide::decision::Decision).
//! - [`cluster`]: the connection to an API server: clients, the leader-election Lease, watches and their stores, events, discovery. It
//!   knows no rules.
//! - [`probe`]: the requests of checks and notifications: HTTP, Prometheus and mail, to vetted addresses. It knows no kinds.
//! - [`process`]: the state of this process: handles, caches, clock, metrics, settings, and a [`Memory`](process::Memory) that is lost
//!   with the process without harm.
//! - [`observe`]: reads the facts that a decision needs, from the stores and from the API server. It writes nothing.
//! - [`act`]: carries out a decision. It chooses nothing, and every action can be repeated.
//! - [`controller`]: connects the others: a change queues objects, and the reconcile of each is `observe -> decide -> act`. Beside the queue,
//!   it sends notifications.
//! - [`view`]: what people read: boards, trees and histories, as pure functions from objects to plain data.
//! - [`user`]: the connection of a user: reads, watches, rights and writes, with the rights of that user alone.
//! - [`web`]: the page: routes over views, for the browser of one user.
//! - [`cli`]: parses arguments and starts a command. Results are written to stdout, everything else to stderr.
//!
//! # Invariants
//!
//! 1. `decide` is total and deterministic: it returns for every world, and the same decision for the same world and time.
//! 2. Memory is written before the effect that it guards. The report is a function of what was observed, is written last, and drives
//!    nothing. A pass writes the status at most twice, and not at all if it is equal. Exception: a rollback is guarded by its own
//!    spec, so its memory may follow its actions.
//! 3. No action relies on another action of the same decision: after any part of them and a crash, reconciling again converges.
//! 4. A settled world needs no actions, and the computed status equals the stored one.
//! 5. A stale world never moves memory backwards.
//! 6. `wake_at` is later than now.
//! 7. A promotion that has not ended can always be aborted: by deleting its release before it has written, and by a rollback afterwards.
//!    A closed gate never leads to a write, unless a user with the right to override it did so.
//! 8. A slow or scheduled read, such as the dry-run, is an action whose result is remembered.
//! 9. Only the lease holder acts. Another replica may observe and decide.
//!
//! # Example: a pod of prod crash-loops after the rollout
//!
//! The promotion `prod-shop-1.1.0` is `Promoting`, everything is rolled out, and the observe window is open. A container exceeds its
//! restart limit:
//!
//! ```text
//!   kubelet: the status of a pod reports another restart
//!      |
//!      |  cluster/stores/watches.rs          start -> watch_workloads: each pod that a watch delivers becomes a Change::Workload
//!      |  controller/wake.rs                 on -> target: which environments deploy here, which promotions are open
//!      |  controller/queue.rs                push, then next: one object per environment at a time
//!      |  controller/pass.rs                 pass: one pass, with backoff and quarantine
//!      |  controller/reconcile.rs            reconcile -> pass: observe, decide, act
//!      v
//!   observe
//!      |  observe/promotion.rs               observe: project, consent, contents, plans, live objects
//!      |  observe/health.rs                  workloads: the newest template of each workload, its pods and containers
//!      v
//!   decide
//!      |  decide/promotion/mod.rs            decide: by phase; an outcome ends the promotion
//!      |  decide/promotion/running.rs        decide: no rollback is pending, everything was rolled out before
//!      |  decide/promotion/observing.rs      observe: the outcome is Failed
//!      |  decide/promotion/health.rs         health_of: under the rollback policy of the environment
//!      |  decide/health/mod.rs               of_all -> of_one: the rules of the observe window
//!      |  decide/health/pod.rs               of_pods -> of_container: Failing, CrashLoopBackOff
//!      |  decide/promotion/ending.rs         finish -> failed: the promotion does not end yet
//!      |  decide/promotion/consequence.rs    consequence: the last verified revision; roll_back: the action
//!      v
//!   act
//!      |  act/mod.rs                         act -> carry_out -> one: Action::CreatePromotion creates the rollback
//!      v
//!   Promotion prod-shop-1.1.0-rollback, kind Rollback, cause CrashLoopBackOff
//! ```
//!
//! The watch delivers the new promotion, and it is reconciled in the same way. Once it has started, `prod-shop-1.1.0` becomes `Failed`.
//!
//! The public functions on this path: [`Watch::start`](cluster::Watch::start), [`Change::Workload`](cluster::Change::Workload),
//! [`Queue::push`](controller::Queue::push), [`Queue::next`](controller::Queue::next), [`observe::promotion::observe`],
//! [`decide::promotion::decide`], [`decide::health::of_all`], [`act::act`] and
//! [`Action::CreatePromotion`](decide::decision::Action::CreatePromotion).

pub mod act;
pub mod api;
pub mod cli;
pub mod cluster;
pub mod content;
pub mod controller;
pub mod decide;
pub mod observe;
pub mod probe;
pub mod process;
pub mod user;
pub mod view;
pub mod web;
