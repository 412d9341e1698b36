//! Rules and actions in Lua: what scripts may do, and what they may not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gitops_health::actions::Operation;
use gitops_health::lua::{LuaActions, LuaError, LuaOptions, LuaRule, LuaRuntime};
use gitops_health::{Assessment, Context, HealthStatus, Rules, assess};
use gitops_manifest::Object;
use serde_json::json;

use crate::support;

fn runtime() -> Arc<LuaRuntime> {
    let mut options = LuaOptions::default();
    options.time_limit = Duration::from_millis(200);
    Arc::new(LuaRuntime::new(options))
}

fn widget() -> Object {
    support::json(json!({
        "apiVersion": "example.org/v1", "kind": "Widget",
        "metadata": {"name": "w", "labels": {"a": "b"}},
        "spec": {"replicas": 3, "nothing": null, "list": ["x", "y"], "empty": []},
        "status": {"ready": 2, "phase": "Working"},
    }))
}

fn judge_in(runtime: &Arc<LuaRuntime>, script: &str, open_libs: bool) -> Assessment {
    let mut rules = Rules::new();
    rules.insert(
        "example.org/Widget",
        LuaRule::new(runtime, script, open_libs).expect("it parses"),
    );
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let context = Context::new().with_rules(&rules).with_now(now);
    assess(&widget(), &context).expect("there is a rule")
}

fn judge(script: &str) -> Assessment {
    judge_in(&runtime(), script, false)
}

#[test]
fn scripts_read_the_object() {
    let health = judge(
        r#"
        local hs = {}
        hs.status = "Degraded"
        hs.message = obj.kind .. " " .. obj.status.ready .. "/" .. obj.spec.replicas .. " " .. #obj.spec.list
        if obj.spec.nothing == nil and next(obj.spec.empty) == nil then return hs end
        "#,
    );
    assert_eq!(
        health,
        Assessment::new(HealthStatus::Degraded, "Widget 2/3 2")
    );
}

#[test]
fn results_are_read_as_argo_cd_reads_them() {
    use HealthStatus::{Healthy, Unknown, Unset};
    for (script, status, message) in [
        ("return nil", Unset, ""),
        ("", Unset, ""),
        ("return {}", Unset, ""),
        ("return { status = 'Healthy' }", Healthy, ""),
        (
            "return { status = 'Fine' }",
            Unknown,
            "Lua returned an invalid health status",
        ),
        (
            "return { message = 'm' }",
            Unknown,
            "Lua returned an invalid health status",
        ),
        (
            "return 1",
            Unknown,
            "expect table output from Lua script, not number",
        ),
        (
            "return { status = 'Healthy', message = 1 }",
            Unknown,
            "json: cannot unmarshal number into Go struct field HealthStatus.message of type string",
        ),
        ("error('no luck', 0)", Unknown, "no luck"),
        (
            "local t = {} t.t = t return t",
            Unknown,
            "the table that is returned is too deep, or contains itself",
        ),
    ] {
        let health = judge(script);
        assert_eq!(
            (health.status, health.message.as_str()),
            (status, message),
            "{script}"
        );
    }
    let health = judge("return { status = obj.missing.field }");
    assert_eq!(health.status, Unknown);
    assert!(health.message.contains("index"), "{health}");
}

#[test]
fn scripts_have_what_argo_cd_gives_them_and_no_more() {
    let health = judge(
        r#"
        local os = require("os")
        assert(os.time() == 1000000000)
        assert(os.date("!%Y-%m-%dT%XZ") == "2001-09-09T01:46:40Z")
        assert(os.time({year = 1970, month = 1, day = 2, hour = 0}) == 86400)
        assert(table.getn({1, 2}) == 2 and unpack({7}) == 7 and select('#', 1, 2) == 2)
        for _, name in ipairs({"io", "debug", "package", "ffi", "jit", "bit", "string", "coroutine", "load",
            "loadstring", "loadfile", "dofile", "getfenv", "setfenv", "collectgarbage", "newproxy"}) do
          assert(_G[name] == nil, name)
        end
        assert(os.getenv == nil and os.execute == nil and os.exit == nil and os.remove == nil)
        assert(not pcall(require, "io"))
        for i = 1, 3 do
          if i == 2 then goto continue end
          ::continue::
        end
        return { status = "Healthy" }
        "#,
    );
    assert_eq!(health, Assessment::new(HealthStatus::Healthy, ""));
    let refused = LuaRule::new(&runtime(), "return {", false).expect_err("it does not parse");
    assert!(matches!(&refused, LuaError::Failed { .. }), "{refused}");
    // Compiled code could do anything: it is not taken for a script.
    assert!(LuaRule::new(&runtime(), "\x1bLJ\x02\x0a\x00", false).is_err());
}

#[test]
fn without_a_time_scripts_know_none() {
    let mut rules = Rules::new();
    let script = "return { status = 'Healthy', message = os.date('%Y') }";
    rules.insert(
        "*",
        LuaRule::new(&runtime(), script, false).expect("it parses"),
    );
    let health = assess(&widget(), &Context::new().with_rules(&rules)).expect("there is a rule");
    assert_eq!(health.status, HealthStatus::Unknown);
    assert_eq!(health.message, "the time is not known here");
}

#[test]
fn no_script_sees_another() {
    let runtime = runtime();
    let spoil = "leak = 1 table.insert = nil os.time = nil ipairs = nil obj.kind = 'x' return { status = 'Healthy' }";
    assert_eq!(
        judge_in(&runtime, spoil, false).status,
        HealthStatus::Healthy
    );
    let look = "assert(leak == nil and table.insert and os.time and ipairs and obj.kind == 'Widget') return { status = 'Healthy' }";
    assert_eq!(judge_in(&runtime, look, false).message, "");

    let spoil = "string.find = nil assert(getmetatable('') == false) return { status = 'Healthy' }";
    assert_eq!(judge_in(&runtime, spoil, true).message, "");
    let look = "assert(('abc'):find('b') == 2 and string.find('abc', 'c') == 3) return { status = 'Healthy' }";
    assert_eq!(judge_in(&runtime, look, true).message, "");
}

#[test]
fn endless_scripts_are_stopped() {
    let runtime = runtime();
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local function f() return f() end return f()",
        "local t = {} for i = 1, 100000 do t[i] = -i end while true do table.sort(t) table.insert(t, 1, 0) table.remove(t, 1) end",
        "local t = {} for i = 1, 10000 do t[i] = 'x' end while true do table.concat(t) end",
    ] {
        let health = judge_in(&runtime, script, false);
        assert_eq!(health.status, HealthStatus::Unknown, "{script}");
        assert_eq!(
            health.message, "the script ran longer than 200ms",
            "{script}"
        );
    }
}

#[test]
fn greedy_scripts_are_stopped() {
    let mut options = LuaOptions::default();
    options.memory_limit = 2 << 20;
    options.time_limit = Duration::from_secs(20);
    let runtime = Arc::new(LuaRuntime::new(options));
    for script in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local function f() return 1 + f() end return f()",
    ] {
        let health = judge_in(&runtime, script, false);
        assert_eq!(health.status, HealthStatus::Unknown, "{script}");
        let known = ["bytes of memory", "stack overflow"];
        assert!(
            known.iter().any(|text| health.message.contains(text)),
            "{script}: {health}"
        );
    }
    // An object that is larger than that leaves a script no room either.
    let large = json!({
        "apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"},
        "data": (0..30_000).map(|i| format!("{i:0>100}")).collect::<Vec<_>>(),
    });
    let large = Object::try_from(large).expect("an object");
    let mut rules = Rules::new();
    let script = "local t = {} for i = 1, 1000 do t[i] = {} end return { status = 'Healthy' }";
    rules.insert(
        "*",
        LuaRule::new(&runtime, script, false).expect("it parses"),
    );
    let health = assess(&large, &Context::new().with_rules(&rules)).expect("there is a rule");
    assert!(health.message.contains("bytes of memory"), "{health}");
    // The runtime goes on as if nothing had been.
    assert_eq!(
        judge_in(&runtime, "return { status = 'Healthy' }", false).status,
        HealthStatus::Healthy
    );
}

#[test]
fn a_script_stuck_in_a_function_is_given_up_on() {
    // Takes seconds within one call of string.find, in which no hook is called.
    let script = "local s = ('a'):rep(24) string.find(s, ('a?'):rep(24) .. ('a'):rep(24) .. 'b') return { status = 'Healthy' }";
    let health = judge_in(&runtime(), script, true);
    assert_eq!(health.message, "the script ran longer than 200ms");
}

#[test]
fn large_tables_are_handled_as_small_ones() {
    let health = judge(
        r#"
        local t, want = {}, {}
        for i = 1, 1000 do t[i] = (i * 7919) % 1009; end
        table.sort(t)
        for i = 2, 1000 do assert(t[i - 1] <= t[i]) end
        table.sort(t, function(a, b) return a > b end)
        for i = 2, 1000 do assert(t[i - 1] >= t[i]) end
        local first = t[1]
        table.insert(t, 1, "new")
        assert(t[1] == "new" and t[2] == first and #t == 1001)
        assert(table.remove(t, 1) == "new" and t[1] == first and #t == 1000)
        assert(table.remove(t) and #t == 999)
        local s = {}
        for i = 1, 1000 do s[i] = "ab" end
        assert(#table.concat(s, ",") == 2999 and table.concat({1, 2, 3}, "-", 2) == "2-3")
        assert(table.concat({}, ",") == "")
        return { status = "Healthy" }
        "#,
    );
    assert_eq!(health, Assessment::new(HealthStatus::Healthy, ""));
}

#[test]
fn many_threads_share_few_states() {
    let mut options = LuaOptions::default();
    options.states = 2;
    let runtime = Arc::new(LuaRuntime::new(options));
    let script = "local n = 0 for i = 1, 1000 do n = n + i end return { status = 'Healthy', message = 'n' .. n }";
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for open_libs in [false, true] {
                    assert_eq!(judge_in(&runtime, script, open_libs).message, "n500500");
                }
            });
        }
    });
}

#[test]
fn actions_of_users() {
    let definitions = [
        (
            "scale",
            "obj.spec.replicas = tonumber(actionParams['to']) return obj",
        ),
        (
            "copy",
            "return {{ operation = 'create', resource = { apiVersion = 'v1', kind = 'Copy', metadata = { name = 'c' } } }}",
        ),
        ("fail", "error('not now', 0)"),
    ];
    let discovery = r#"
        return {
          scale = { disabled = obj.spec.replicas == 0, iconClass = "fa", displayName = "Scale it",
                    params = {{ name = "to", default = "1" }} },
          copy = {},
        }"#;
    let actions =
        LuaActions::new(&runtime(), Some(discovery), definitions, false).expect("they parse");
    let offered = actions.discover(&widget(), None).expect("they run");
    assert_eq!(
        offered.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
        ["copy", "scale"]
    );
    assert_eq!(offered[1].display_name, "Scale it");
    assert_eq!(
        (
            offered[1].params[0].name.as_str(),
            offered[1].params[0].default.as_str()
        ),
        ("to", "1")
    );
    assert!(!offered[1].disabled);

    let params = BTreeMap::from([("to".to_owned(), "5".to_owned())]);
    let impacts = actions
        .run(&widget(), "scale", &params, None)
        .expect("it runs");
    let mut expected = widget();
    let spec = expected
        .as_map_mut()
        .get_mut("spec")
        .and_then(|v| v.as_object_mut())
        .expect("a spec");
    spec.insert("replicas", 5);
    spec.retain(|key, _| key != "nothing");
    assert_eq!(
        (impacts[0].operation, &impacts[0].object),
        (Operation::Patch, &expected)
    );

    let impacts = actions
        .run(&widget(), "copy", &BTreeMap::new(), None)
        .expect("it runs");
    assert_eq!(
        (impacts[0].operation, impacts[0].object.kind()),
        (Operation::Create, "Copy")
    );
    let error = actions
        .run(&widget(), "fail", &BTreeMap::new(), None)
        .expect_err("it fails");
    assert_eq!(error.to_string(), "not now");
    let error = actions
        .run(&widget(), "fly", &BTreeMap::new(), None)
        .expect_err("there is none");
    assert_eq!(error.to_string(), "Widget offers no action \"fly\"");
}
