//! Does the product do what it promises, on a real control plane, with the real controller process?
//!
//! One control plane for all tests here, the chart installed once; each test has its own project and its own controller.

mod adoption;
mod approvals;
mod calendar;
mod captures;
mod conditions;
mod configuration;
mod costs;
mod crash;
mod deletion;
mod failing_releases;
mod first_promotion;
mod grants;
#[path = "../../support/src/helm.rs"]
mod helm;
mod missing_policies;
#[path = "../../support/src/objects.rs"]
mod objects;
#[path = "../../support/src/operator.rs"]
mod operator;
mod path_to_prod;
#[path = "../../support/src/people.rs"]
mod people;
mod preflight;
mod promotion_order;
mod refused_content;
#[path = "../../support/src/relay.rs"]
mod relay;
mod replicas;
#[path = "../../support/src/requests.rs"]
mod requests;
#[path = "../../support/src/project.rs"]
mod support;
mod takeover;
mod undecodable;
#[path = "../../support/src/waits.rs"]
mod waits;
mod withdrawn_consent;
