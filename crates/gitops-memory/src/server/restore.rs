//! Bringing the objects of another cluster back, as they were.

use gitops_manifest::Object;

use super::{Server, definition, owner_uids};

impl Server {
    /// Puts objects in as they are: with their UIDs, resource versions, managers and statuses. Objects of the same
    /// keys make way. Watches begin anew.
    pub(crate) fn restore(&mut self, objects: Vec<Object>) {
        let number = |object: &Object| object.resource_version().parse::<u64>().unwrap_or(0);
        self.version = objects
            .iter()
            .map(number)
            .max()
            .unwrap_or(0)
            .max(self.version);
        for object in &objects {
            if definition::is_definition(&object.key()) {
                self.kinds.define(object);
            }
        }
        for object in objects {
            let key = object.key();
            if let Some(before) = self.objects.remove(&key) {
                self.unlink_owners(&key, &before);
                self.keys.remove(before.uid());
            }
            self.keys.insert(object.uid().into(), key.clone());
            for owner in owner_uids(&object) {
                self.owned.entry(owner).or_default().insert(key.clone());
            }
            self.objects.insert(key.clone(), object);
            self.look_at(&key, self.now);
        }
        self.forget_history();
    }
}
