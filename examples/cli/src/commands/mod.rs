//! One module a command.

pub(crate) mod apply;
pub(crate) mod build;
pub(crate) mod diff;
pub(crate) mod edit;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod plan;
pub(crate) mod rollback;
pub(crate) mod sync;
pub(crate) mod template;
pub(crate) mod tree;
pub(crate) mod watch;
