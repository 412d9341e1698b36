//! Who does the work, where several replicas run: each shard of the applications has a Lease, and whoever holds it
//! looks after them. With one shard that is the election of a leader.
//!
//! Leases are taken and renewed as client-go does it: a lease counts as left when it was not renewed for its
//! duration by the clock of the one who looks, so that clocks need not agree.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use gitops::manifest::{Object, ObjectKey, Value};
use gitops::{
    ApplicationId, ApplyMode, ApplyOptions, Clock, Precondition, Target, TargetError, Timestamp,
};
use serde_json::json;

/// The annotation by which a replica with less work asks for a shard of one that has more.
const WANTED: &str = "gitops.dev/wanted-by";

/// How leases are taken and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseOptions {
    /// The namespace of the leases.
    pub namespace: String,
    /// Their name; those of several shards have a number behind it.
    pub name: String,
    /// The name of this replica.
    pub identity: String,
    /// How many shards there are.
    pub shards: u32,
    /// After how long without renewal a lease counts as left.
    pub duration: Duration,
    /// After how long without success the holder lets go by itself. Less than the duration.
    pub deadline: Duration,
    /// How often leases are looked at.
    pub retry: Duration,
}

impl LeaseOptions {
    /// Makes options with the times of client-go: 15, 10 and 2 seconds.
    #[must_use]
    pub fn new(namespace: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: "gitops-controller".into(),
            identity: identity.into(),
            shards: 1,
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }

    fn key(&self, shard: u32) -> ObjectKey {
        let name = if self.shards == 1 {
            self.name.clone()
        } else {
            format!("{}-{shard}", self.name)
        };
        ObjectKey::new("coordination.k8s.io", "Lease", &*self.namespace, name)
    }
}

/// Returns the shard of an application.
#[must_use]
pub fn shard_of(id: &ApplicationId, shards: u32) -> u32 {
    // FNV-1a: stable over versions and machines.
    let bytes = id.namespace.bytes().chain(*b"/").chain(id.name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits alone spread names that differ at their ends.
    u32::try_from((hash ^ (hash >> 32)) % u64::from(shards.max(1))).unwrap_or(0)
}

/// What is known of one lease.
struct Seen {
    /// What it held when it last changed: the holder and the time of renewal, as they stand there.
    record: (String, String),
    /// When that was noticed.
    at: Timestamp,
}

/// Holds the leases of a replica.
pub(crate) struct Shards {
    target: Arc<dyn Target>,
    clock: Arc<dyn Clock>,
    options: LeaseOptions,
    seen: BTreeMap<u32, Seen>,
    /// The shards that are held, with the time of the last renewal.
    held: BTreeMap<u32, Timestamp>,
    /// The leases that are held, as they were written last.
    own: BTreeMap<u32, Object>,
}

impl Shards {
    pub(crate) fn new(
        target: Arc<dyn Target>,
        clock: Arc<dyn Clock>,
        options: LeaseOptions,
    ) -> Self {
        Self {
            target,
            clock,
            options,
            seen: BTreeMap::new(),
            held: BTreeMap::new(),
            own: BTreeMap::new(),
        }
    }

    /// Takes and renews leases until it is dropped; tells each time that other shards are held than before.
    pub(crate) async fn run(&mut self, mut changed: impl FnMut(&BTreeSet<u32>)) {
        let mut told: Option<BTreeSet<u32>> = None;
        loop {
            self.round().await;
            let held: BTreeSet<u32> = self.held.keys().copied().collect();
            if told.as_ref() != Some(&held) {
                tracing::info!(identity = self.options.identity, shards = ?held, "shards held");
                changed(&held);
                told = Some(held);
            }
            self.clock.sleep(self.options.retry).await;
        }
    }

    /// Looks at every lease once.
    pub(crate) async fn round(&mut self) {
        let mut holders: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let clock = Arc::clone(&self.clock);
        let deadline = self.options.deadline;
        let begin = clock.now();
        for shard in 0..self.options.shards {
            // An answer that does not come must not be waited for until another replica has taken over.
            let since = self.held.get(&shard).copied().unwrap_or(begin).min(begin);
            let left = deadline.saturating_sub(clock.now().since(since));
            let answer = {
                let look = pin!(self.look(shard));
                match select(look, clock.sleep(left)).await {
                    Either::Left((answer, _)) => Some(answer),
                    Either::Right(_) => None,
                }
            };
            let now = clock.now();
            let Some(answer) = answer else {
                tracing::warn!(shard, "nobody answers about the lease; it is let go of");
                self.held.retain(|_, at| now.since(*at) < deadline);
                continue;
            };
            match answer {
                Ok(holder) => {
                    if holder == self.options.identity {
                        self.held.insert(shard, now);
                    } else {
                        self.held.remove(&shard);
                        if !holder.is_empty() {
                            holders.entry(holder).or_default().push(shard);
                        }
                    }
                }
                Err(error) => {
                    let reason = gitops::error_chain(&error);
                    tracing::warn!(shard, reason, "the lease cannot be kept; trying again");
                    self.held.retain(|_, at| now.since(*at) < deadline);
                }
            }
        }
        // One with less work asks the one with the most for a shard, until none has two more than another.
        if let Some((_, shards)) = holders
            .iter()
            .max_by_key(|(_, shards)| shards.len())
            .filter(|(_, shards)| shards.len() > self.held.len() + 1)
            && let Some(shard) = shards.last()
        {
            let patch =
                Value::from(json!({"metadata": {"annotations": {WANTED: self.options.identity}}}));
            let options = gitops::PatchOptions::new(&*self.options.name);
            // Where it cannot be asked now it is asked the next time.
            let _ = self
                .target
                .patch(&self.options.key(*shard), &patch, &options)
                .await;
        }
    }

    /// Looks at one lease, and takes, renews or leaves it. Returns who holds it.
    async fn look(&mut self, shard: u32) -> Result<String, TargetError> {
        let key = self.options.key(shard);
        let now = self.clock.now();
        if let Some(last) = self.own.remove(&shard) {
            // While nobody else writes it, one request renews it.
            let patch = Value::from(json!({"spec": {"renewTime": micro_time(now)}}));
            let options = gitops::PatchOptions::new(&*self.options.name)
                .with_precondition(Precondition::unchanged(Some(&last)));
            match self.target.patch(&key, &patch, &options).await {
                Ok(renewed) => {
                    self.own.insert(shard, renewed);
                    return Ok(self.options.identity.clone());
                }
                Err(TargetError::Changed { .. } | TargetError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let Some(lease) = self.target.get(&key).await? else {
            let lease = self.lease(&key, None, now, 0);
            let options = self.write(ApplyMode::Create, Precondition::Absent);
            return match self.target.apply(&lease, &options).await {
                Ok(applied) => {
                    self.own.insert(shard, applied.object);
                    Ok(self.options.identity.clone())
                }
                Err(TargetError::AlreadyExists { .. } | TargetError::Changed { .. }) => {
                    Ok(String::new())
                }
                Err(error) => Err(error),
            };
        };
        let text = |field: &str| {
            let value = lease.at(&["spec", field]).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        let (holder, renewed) = (text("holderIdentity"), text("renewTime"));
        let record = (holder.clone(), renewed);
        let seen_at = match self.seen.get(&shard) {
            Some(seen) if seen.record == record => seen.at,
            _ => {
                self.seen.insert(shard, Seen { record, at: now });
                now
            }
        };
        let ours = holder == self.options.identity;
        let left = holder.is_empty() || now.since(seen_at) >= self.options.duration;
        if ours && self.is_to_give(&lease) {
            self.release(shard).await?;
            return Ok(String::new());
        }
        if !ours {
            // Whoever has work leaves a free shard to others for a while, unless it was let go of for him.
            let turn = self.held.is_empty()
                || lease.annotation(WANTED) == Some(&*self.options.identity)
                || now.since(seen_at) >= self.options.duration * 2;
            if !left || !turn {
                return Ok(holder);
            }
        }
        let transitions = lease
            .at(&["spec", "leaseTransitions"])
            .and_then(Value::as_i64)
            .unwrap_or(0);
        let transitions = if ours { transitions } else { transitions + 1 };
        let renewed = self.lease(&key, Some(&lease).filter(|_| ours), now, transitions);
        let options = self.write(ApplyMode::Replace, Precondition::unchanged(Some(&lease)));
        match self.target.apply(&renewed, &options).await {
            Ok(applied) => {
                self.own.insert(shard, applied.object);
                Ok(self.options.identity.clone())
            }
            // Somebody was faster: who, is seen the next time.
            Err(TargetError::Changed { .. } | TargetError::NotFound { .. }) if !ours => {
                Ok(String::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether another replica has asked for one of several shards that are held.
    fn is_to_give(&self, lease: &Object) -> bool {
        let wanted = lease.annotation(WANTED).unwrap_or_default();
        !wanted.is_empty() && wanted != self.options.identity && self.held.len() > 1
    }

    fn write(&self, mode: ApplyMode, precondition: Precondition) -> ApplyOptions {
        ApplyOptions::server_side(&*self.options.name)
            .with_mode(mode)
            .with_precondition(precondition)
    }

    fn lease(
        &self,
        key: &ObjectKey,
        before: Option<&Object>,
        now: Timestamp,
        transitions: i64,
    ) -> Object {
        let text = micro_time(now);
        let acquired = before
            .and_then(|lease| lease.at(&["spec", "acquireTime"]))
            .and_then(Value::as_str)
            .map_or_else(|| text.clone(), str::to_owned);
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": &*key.name, "namespace": &*key.namespace},
            "spec": {
                "holderIdentity": self.options.identity,
                "leaseDurationSeconds": self.options.duration.as_secs().max(1),
                "acquireTime": acquired,
                "renewTime": text,
                "leaseTransitions": transitions,
            },
        });
        Object::try_from(lease).expect("it has a kind")
    }

    /// Lets go of a shard. A renewal that was cut off may still arrive, so a lease that has changed is looked at again.
    async fn release(&mut self, shard: u32) -> Result<(), TargetError> {
        self.held.remove(&shard);
        self.own.remove(&shard);
        for _ in 0..4 {
            match self.try_release(shard).await {
                Err(TargetError::Changed { .. }) => {}
                outcome => return outcome,
            }
        }
        self.try_release(shard).await
    }

    async fn try_release(&mut self, shard: u32) -> Result<(), TargetError> {
        let key = self.options.key(shard);
        let Some(lease) = self.target.get(&key).await? else {
            return Ok(());
        };
        let holder = lease
            .at(&["spec", "holderIdentity"])
            .and_then(Value::as_str);
        if holder != Some(&*self.options.identity) {
            return Ok(());
        }
        let now = micro_time(self.clock.now());
        let patch = Value::from(json!({
            "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now},
        }));
        let options = gitops::PatchOptions::new(&*self.options.name)
            .with_precondition(Precondition::unchanged(Some(&lease)));
        self.target.patch(&key, &patch, &options).await?;
        // The others have their turn first.
        let record = (String::new(), now);
        let at = self.clock.now();
        self.seen.insert(shard, Seen { record, at });
        Ok(())
    }

    /// Lets go of everything, so that others need not wait for it to run out.
    pub(crate) async fn release_all(&mut self) {
        for shard in self.held.keys().copied().collect::<Vec<_>>() {
            if let Err(error) = self.release(shard).await {
                let reason = gitops::error_chain(&error);
                tracing::warn!(shard, reason, "the lease is left to run out");
            }
        }
    }
}

/// Writes a time as `MicroTime` is written.
fn micro_time(at: Timestamp) -> String {
    let micros = at.as_micros().rem_euclid(1_000_000);
    let second = at.to_second().to_string();
    format!("{}.{micros:06}Z", second.trim_end_matches('Z'))
}
