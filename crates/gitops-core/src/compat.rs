//! What of Argo CD's behaviour is better not copied, unless somebody asks for it.

use serde::{Deserialize, Serialize};

/// Quirks of Argo CD 3.6 that the engine does not have. Each can be turned on, for whoever must get the same
/// answer to the letter; [`ARGO_CD`](Self::ARGO_CD) has all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Compat {
    /// Sync windows are reckoned with the offset that their time zone has today, also for another day; the very
    /// instant at which a window opens is outside; and a schedule that never comes round is always open. Otherwise
    /// the offset is that of the time in question, a window holds its first instant and not its last, and what never
    /// comes round is never open.
    pub windows: bool,
    /// A retry waits as long as its message says for the next one: the first 10 seconds where it says 5.
    pub retry_waits_longer: bool,
    /// The message of an application's health names the objects at fault, as `Caused by apps/Deployment:shop/web`,
    /// and not what is wrong with them.
    pub short_health_message: bool,
    /// Hooks of a deletion stay in the cluster where nothing but the default policy speaks for deleting them.
    pub deletion_hooks_stay: bool,
    /// A sync of the same objects is begun again while what the last one pruned is still going away.
    pub heals_what_is_going: bool,
    /// A hook without any phase of a sync that is both `PreDelete` and `PostDelete` runs before the deletion alone.
    pub one_deletion_hook: bool,
    /// What the project does not permit counts as missing, without a word: the application is OutOfSync, and a sync
    /// fails with the rule. Otherwise the application is Unknown, with the rule in a condition.
    pub hides_what_is_not_permitted: bool,
}

impl Compat {
    /// All quirks.
    pub const ARGO_CD: Self = Self {
        windows: true,
        retry_waits_longer: true,
        short_health_message: true,
        deletion_hooks_stay: true,
        heals_what_is_going: true,
        one_deletion_hook: true,
        hides_what_is_not_permitted: true,
    };
}
