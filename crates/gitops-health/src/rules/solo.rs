//! Gloo Edge of Solo.

use super::table::*;

pub(super) static TABLE: &[Entry] = &[
    code("gateway.solo.io", "Gateway", gloo),
    code("gateway.solo.io", "MatchableHttpGateway", gloo),
    code("gateway.solo.io", "RouteOption", gloo),
    code("gateway.solo.io", "RouteTable", gloo),
    code("gateway.solo.io", "VirtualHostOption", gloo),
    code("gateway.solo.io", "VirtualService", gloo),
    code("gloo.solo.io", "Proxy", gloo),
    code("gloo.solo.io", "Settings", gloo),
    code("gloo.solo.io", "Upstream", gloo),
    code("gloo.solo.io", "UpstreamGroup", gloo),
];

/// Judges one report; older versions write the state as a number. `None` where it decides nothing.
fn report(status: &Value) -> Option<Verdict> {
    let state = view::get(status, "state")?;
    match (state.as_str(), state.as_i64()) {
        (Some("Accepted"), _) | (_, Some(1)) => {
            Some(Verdict::fixed(Healthy, "The resource has been validated"))
        }
        (Some("Pending"), _) | (_, Some(0)) => Some(Verdict::fixed(
            Suspended,
            "The resource has not yet been validated",
        )),
        (Some("Warning" | "Rejected"), _) | (_, Some(2 | 3)) => {
            let reason = status.get("reason").and_then(view::as_text);
            Some(Verdict::new(Degraded, reason.cloned().unwrap_or_default()))
        }
        _ => None,
    }
}

/// Each controller reports under its namespace; the first report that decides counts, then the object's own.
fn gloo(object: &Object) -> Verdict {
    view::at(object, &["status", "statuses"])
        .into_iter()
        .flat_map(view::members)
        .chain(view::at(object, &["status"]))
        .find_map(report)
        .unwrap_or(Verdict::fixed(Progressing, "Update in progress"))
}
