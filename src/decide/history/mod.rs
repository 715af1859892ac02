//! What runs where, and what did: read from promotions, which are the record.

pub mod housekeeping;
pub mod lane;
pub mod order;
