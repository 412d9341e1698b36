//! Makes a question smaller while it stays a question.

use gitops_manifest::Value;

/// All values that have one thing less than `value`, the largest steps first.
fn smaller(value: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    match value {
        Value::Object(map) => {
            for (key, _) in map {
                let mut less = map.clone();
                less.remove(key);
                out.push(Value::Object(less));
            }
            for (key, below) in map {
                for less in smaller(below) {
                    let mut with = map.clone();
                    with.insert(key.clone(), less);
                    out.push(Value::Object(with));
                }
            }
        }
        Value::Array(items) => {
            for i in 0..items.len() {
                let mut less = items.clone();
                less.make_mut().remove(i);
                out.push(Value::Array(less));
            }
            for (i, below) in items.iter().enumerate() {
                for less in smaller(below) {
                    let mut with = items.clone();
                    with.make_mut()[i] = less;
                    out.push(Value::Array(with));
                }
            }
        }
        _ => {}
    }
    out
}

/// Shrinks the parts of a question by `still`, which says whether it is one.
pub(crate) fn shrink(question: &Value, mut still: impl FnMut(&Value) -> bool) -> Value {
    let mut best = question.clone();
    let mut left = 3000;
    loop {
        let mut found = None;
        'search: for part in ["a", "b", "c", "steps"] {
            let Some(value) = best.get(part) else {
                continue;
            };
            for less in smaller(value) {
                if left == 0 {
                    return best;
                }
                left -= 1;
                let mut next = best.clone();
                next.as_object_mut()
                    .expect("a question is a map")
                    .insert(part, less);
                if still(&next) {
                    found = Some(next);
                    break 'search;
                }
            }
        }
        match found {
            Some(next) => best = next,
            None => return best,
        }
    }
}
