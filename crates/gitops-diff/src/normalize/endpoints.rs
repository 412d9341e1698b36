//! The order of what has none in Endpoints.
//!
//! Argo CD orders ports and subsets by the MD5 of a dump of the Go values. By default the order here is that of the values
//! themselves; with [`NormalizeOptions::compat`] it is theirs.

use gitops_manifest::{Array, Object, Value};

use super::{NormalizeOptions, kinds::builtin, typed};

pub(super) fn normalize(object: &mut Object, options: &NormalizeOptions) {
    let mode = typed::Mode {
        drop_unknown: options.compat,
        lenient: !options.compat,
        fill: options.compat,
        ..typed::Mode::default()
    };
    let Some(ty) = builtin("Endpoints") else {
        return;
    };
    match typed::value(&object.to_value(), ty, mode) {
        Ok(Some(Value::Object(map))) => *object.as_map_mut() = map,
        Ok(_) => {}
        Err(_) => return,
    }
    let Some(Value::Array(subsets)) = object.get("subsets") else {
        return;
    };
    let mut subsets = subsets.clone();
    let mut changed = subsets.to_vec();
    for subset in &mut changed {
        let Value::Object(subset) = subset else {
            continue;
        };
        if let Some(Value::Array(ports)) = subset.get_mut("ports") {
            for port in ports.make_mut() {
                if let Value::Object(port) = port
                    && port
                        .get("protocol")
                        .and_then(Value::as_str)
                        .is_none_or(str::is_empty)
                {
                    port.insert("protocol", "TCP");
                }
            }
            sort(ports, options, |port| {
                let mut text = "(v1.EndpointPort)".to_owned();
                dump_port(port, &mut text);
                text
            });
        }
        for field in ["addresses", "notReadyAddresses"] {
            if let Some(Value::Array(addresses)) = subset.get_mut(field) {
                sort_addresses(addresses);
            }
        }
    }
    if changed[..] != subsets[..] {
        subsets = changed.into();
    }
    sort(&mut subsets, options, dump_subset);
    object.as_map_mut().insert("subsets", Value::Array(subsets));
}

fn sort(list: &mut Array, options: &NormalizeOptions, dump: impl Fn(&Value) -> String) {
    if options.compat && list.len() > 1 {
        list.make_mut()
            .sort_by_cached_key(|value| md5(dump(value).as_bytes()));
    } else if !list.is_sorted() {
        list.make_mut().sort();
    }
}

fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    value.at(path).and_then(Value::as_str).unwrap_or_default()
}

/// By address; those without a target first, the others by its UID.
fn sort_addresses(list: &mut Array) {
    let rank = |value: &Value| {
        let target = value
            .get("targetRef")
            .is_some_and(|target| !target.is_null());
        let uid = text(value, &["targetRef", "uid"]).to_owned();
        (text(value, &["ip"]).to_owned(), target, uid)
    };
    if !list.is_sorted_by_key(rank) {
        list.make_mut().sort_by_cached_key(rank);
    }
}

/// Text behind a pointer.
fn dump_pointer(value: &Value, field: &str) -> String {
    match value.get(field).and_then(Value::as_str) {
        Some(text) => format!("(*string){text}"),
        None => "(*string)<nil>".to_owned(),
    }
}

fn dump_port(port: &Value, out: &mut String) {
    let number = port.get("port").and_then(Value::as_i64).unwrap_or(0);
    out.push_str(&format!(
        "{{Name:(string){} Port:(int32){number} Protocol:(v1.Protocol){} AppProtocol:{}}}",
        text(port, &["name"]),
        text(port, &["protocol"]),
        dump_pointer(port, "appProtocol"),
    ));
}

fn dump_address(address: &Value, out: &mut String) {
    out.push_str(&format!(
        "{{IP:(string){} Hostname:(string){} NodeName:{} TargetRef:(*v1.ObjectReference)",
        text(address, &["ip"]),
        text(address, &["hostname"]),
        dump_pointer(address, "nodeName"),
    ));
    match address.get("targetRef") {
        Some(target @ Value::Object(_)) => {
            out.push_str(&format!(
                "{{Kind:(string){} Namespace:(string){} Name:(string){} UID:(types.UID){} APIVersion:(string){} ResourceVersion:(string){} FieldPath:(string){}}}",
                text(target, &["kind"]),
                text(target, &["namespace"]),
                text(target, &["name"]),
                text(target, &["uid"]),
                text(target, &["apiVersion"]),
                text(target, &["resourceVersion"]),
                text(target, &["fieldPath"]),
            ));
        }
        _ => out.push_str("<nil>"),
    }
    out.push('}');
}

fn dump_list(value: Option<&Value>, dump: fn(&Value, &mut String), out: &mut String) {
    let Some(Value::Array(list)) = value else {
        out.push_str("<nil>");
        return;
    };
    out.push('[');
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        dump(item, out);
    }
    out.push(']');
}

fn dump_subset(subset: &Value) -> String {
    let mut out = "(v1.EndpointSubset){Addresses:([]v1.EndpointAddress)".to_owned();
    dump_list(subset.get("addresses"), dump_address, &mut out);
    out.push_str(" NotReadyAddresses:([]v1.EndpointAddress)");
    dump_list(subset.get("notReadyAddresses"), dump_address, &mut out);
    out.push_str(" Ports:([]v1.EndpointPort)");
    dump_list(subset.get("ports"), dump_port, &mut out);
    out.push('}');
    out
}

/// The digest of RFC 1321, for an order only.
fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [
        [7, 12, 17, 22],
        [5, 9, 14, 20],
        [4, 11, 16, 23],
        [6, 10, 15, 21],
    ];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |i: usize| {
            let bytes = [
                block[4 * i],
                block[4 * i + 1],
                block[4 * i + 2],
                block[4 * i + 3],
            ];
            u32::from_le_bytes(bytes)
        };
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mix, at) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            // The constants are the sines of the steps; a double holds their 32 bits exactly.
            let constant = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a
                .wrapping_add(mix)
                .wrapping_add(constant)
                .wrapping_add(word(at));
            a = d;
            d = c;
            c = b;
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::md5;

    #[test]
    fn digests_are_those_of_the_rfc() {
        let hex = |text: &str| {
            md5(text.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(
            hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a"
        );
    }
}
