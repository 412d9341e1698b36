//! Values that hold themselves.

use rustc_hash::FxHashMap;

use super::{Map, Value};

/// A list or map on the way from a root.
struct Step {
    value: Value,
    next: usize,
}

impl Step {
    fn child(&self) -> Option<Value> {
        match &self.value {
            Value::List(list) => list.get(self.next),
            Value::Map(map) => map.at(self.next),
            _ => None,
        }
    }

    /// Takes the child away that was looked at last.
    fn cut(&self) -> Option<Value> {
        match &self.value {
            Value::List(list) => list.cut(self.next - 1),
            Value::Map(map) => map.cut(self.next - 1),
            _ => None,
        }
    }
}

fn address(value: &Value) -> Option<usize> {
    match value {
        Value::List(list) => Some(list.address()),
        Value::Map(map) => Some(map.address()),
        _ => None,
    }
}

/// Cuts every cycle that can be reached from the maps, where it closes.
pub(crate) fn take_apart(roots: Vec<Map>) {
    // Whether what stands at an address is on the way, or all that it holds was seen.
    let mut on_the_way: FxHashMap<usize, bool> = FxHashMap::default();
    for root in roots {
        let mut path = Vec::new();
        let value = Value::Map(root);
        if let Some(at) = address(&value)
            && on_the_way.insert(at, true).is_none()
        {
            path.push(Step { value, next: 0 });
        }
        while let Some(step) = path.last_mut() {
            let Some(child) = step.child() else {
                if let Some(at) = address(&step.value) {
                    on_the_way.insert(at, false);
                }
                path.pop();
                continue;
            };
            step.next += 1;
            let Some(at) = address(&child) else { continue };
            match on_the_way.get(&at) {
                Some(true) => drop(step.cut()),
                Some(false) => {}
                None => {
                    on_the_way.insert(at, true);
                    path.push(Step {
                        value: child,
                        next: 0,
                    });
                }
            }
        }
    }
}
