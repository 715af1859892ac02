//! Does the product do what it promises, on a real control plane, with the real controller process?
//!
//! One control plane for all tests here, the chart installed once; each test has its own project and its own controller.

mod adoption;
mod approvals;
mod calendar;
mod captures;
mod configuration;
mod consent;
mod costs;
mod crash;
mod degraded;
mod endings;
mod failures;
mod first;
mod helm;
mod hostile;
mod lanes;
mod matrix;
mod objects;
mod operator;
mod people;
mod preflight;
mod relay;
mod replicas;
mod requests;
mod stories;
mod support;
mod takeover;
mod undecodable;
mod waiting;
mod waits;
