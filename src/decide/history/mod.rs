//! What runs where and what ran before, computed from promotions.

pub mod housekeeping;
pub mod incidents;
pub mod lane;
pub mod order;
pub mod recalled;
pub mod target;
pub mod versions;
