//! Paths with slashes.

use super::{Table, bytes, text};
use crate::value::{Type, Value};

pub(super) fn register(table: &mut Table<'_>) {
    use Type::{Bool, String};
    for name in ["base", "osBase"] {
        table.add(name, &[String], String, |_, a| Ok(bytes(base(text(&a[0])))));
    }
    for name in ["dir", "osDir"] {
        table.add(name, &[String], String, |_, a| {
            let path = text(&a[0]);
            let end = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
            Ok(bytes(clean(&path[..end])))
        });
    }
    for name in ["clean", "osClean"] {
        table.add(name, &[String], String, |_, a| {
            Ok(bytes(clean(text(&a[0]))))
        });
    }
    for name in ["ext", "osExt"] {
        table.add(name, &[String], String, |_, a| {
            let path = text(&a[0]);
            let name = memchr::memrchr(b'/', path).map_or(path, |slash| &path[slash..]);
            Ok(bytes(
                memchr::memrchr(b'.', name).map_or(&b""[..], |dot| &name[dot..]),
            ))
        });
    }
    for name in ["isAbs", "osIsAbs"] {
        table.add(name, &[String], Bool, |_, a| {
            Ok(Value::Bool(text(&a[0]).starts_with(b"/")))
        });
    }
}

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |at| at + 1);
    let path = &path[..end];
    let start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    if path.is_empty() {
        b"/"
    } else {
        &path[start..]
    }
}

/// `path.Clean`: the shortest path to the same place.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(last) if *last != b".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    if rooted {
        [b"/", joined.as_slice()].concat()
    } else if joined.is_empty() {
        b".".to_vec()
    } else {
        joined
    }
}
