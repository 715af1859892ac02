//! Does the control plane do what its users rely on? One for all tests here, except where its own end is the question.

mod abiding;
mod audit;
mod fates;
mod identities;
mod lifetime;
mod support;
mod workloads;
