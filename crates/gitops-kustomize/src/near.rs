//! What is near to a name that leads nowhere, for messages.

use crate::resource::Resource;
use crate::scope::Scope;

/// Finds the name that is nearest to a misspelt one.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    within(name, name.len(), names)
}

/// Finds the name of a file that is nearest to a misspelt one; what follows its first dot is not counted as letters.
pub(crate) fn nearest_file<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    within(name, name.find('.').unwrap_or(name.len()), names)
}

/// Finds the nearest name; how far away it may be goes by a number of letters.
fn within<'a>(
    name: &str,
    letters: usize,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = match letters {
        0..=2 => return None,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    let wanted = name.to_ascii_lowercase();
    names
        .into_iter()
        .map(|candidate| {
            (
                distance(&wanted, &candidate.to_ascii_lowercase(), limit),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Asks for the nearest name, if one is near.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, names).map(|name| format!("did you mean `{name}`?"))
}

/// Tells of a resource that may be meant by a kind and a name: one of this kind whose name is near, or those of this
/// name whose id is another. An empty kind stands for all.
pub(crate) fn resource(
    resources: &[Resource],
    kind: &str,
    name: &str,
    scope: &Scope,
) -> Option<String> {
    let there = || resources.iter().filter(|resource| !resource.deleted);
    let of_kind = there().filter(|resource| kind.is_empty() || resource.kind() == kind);
    let misspelt = nearest(
        name,
        of_kind.map(Resource::name).filter(|other| *other != name),
    );
    let same: Vec<String> = there()
        .filter(|resource| resource.name() == name)
        .take(3)
        .map(|resource| resource.id(scope).to_string())
        .collect();
    match misspelt {
        _ if !same.is_empty() => Some(format!("there is {}", same.join(", "))),
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => None,
    }
}

/// Counts the letters to be changed, added, left out or swapped; more than `limit` is not told apart.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["resources", "replacements", "patches", "namePrefix"];
        assert_eq!(nearest("resuorces", names), Some("resources"));
        assert_eq!(nearest("patch", names), None);
        assert_eq!(nearest("patchs", names), Some("patches"));
        assert_eq!(nearest("nameprefix", names), Some("namePrefix"));
        assert_eq!(nearest("spec", names), None);
        assert_eq!(nearest_file("b.yaml", ["a.yaml"]), None);
        assert_eq!(nearest_file("web.yaml", ["wbe.yaml"]), Some("wbe.yaml"));
    }
}
