//! From content to what is written into one namespace: overrides, copies of config, order.

pub mod config;
pub mod ingress;
pub(in crate::content) mod mentions;
pub mod order;
pub mod overrides;
