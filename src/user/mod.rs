//! The connection of a user: what is read, watched, asked and written with the rights of the user who runs the program or visits the page.
//!
//! Nothing here has a right of its own. The number of requests does not grow with the number of objects.

mod dated;
pub mod everything;
pub mod followed;
pub mod live;
pub mod reader;
pub mod rights;
pub mod sender;
pub mod standing;
pub mod unreadable;
