//! Assignments as `helm --set` reads them.

//! Assignments as `helm --set` reads them.

use gitops_helm::Values;
use gitops_manifest::Value;

/// An assignment, and the values that it makes or the reason why it makes none.
type Row = (&'static str, Result<&'static str, &'static str>);

/// Outcomes of Helm 3.22's `strvals.Parse`.
#[test]
fn assignments_agree_with_helm() {
    for (text, want) in TABLE {
        let mut values = Values::new();
        let outcome = values.set(text);
        let got = outcome
            .map(|()| values.to_value())
            .map_err(|error| error.helm_text());
        let want = want
            .map(|json| Value::from_json(json).expect("JSON"))
            .map_err(|message| format!("failed parsing --set data: {message}"));
        assert_eq!(got, want, "{text}");
    }
}

const TABLE: &[Row] = &[
    ("a=1", Ok("{\"a\":1}")),
    ("a=1,b=2", Ok("{\"a\":1,\"b\":2}")),
    ("a.b.c=x", Ok("{\"a\":{\"b\":{\"c\":\"x\"}}}")),
    ("a[0]=1", Ok("{\"a\":[1]}")),
    ("a[2]=x", Ok("{\"a\":[null,null,\"x\"]}")),
    ("a[0].b=1", Ok("{\"a\":[{\"b\":1}]}")),
    ("a[0].b=1,a[0].c=2", Ok("{\"a\":[{\"b\":1,\"c\":2}]}")),
    ("a[0][1]=3", Ok("{\"a\":[[null,3]]}")),
    ("a={1,two,true}", Ok("{\"a\":[1,\"two\",true]}")),
    ("a={}", Ok("{\"a\":[\"\"]}")),
    ("a={1}b=2", Ok("{\"a\":[1],\"b\":2}")),
    ("a={1", Err("list must terminate with '}'")),
    ("a", Err("key \"a\" has no value")),
    ("a=", Ok("{\"a\":\"\"}")),
    ("a=,b=1", Ok("{\"a\":\"\",\"b\":1}")),
    ("a,b=1", Err("key \"a\" has no value (cannot end with ,)")),
    (",a=1", Err("key \"\" has no value (cannot end with ,)")),
    ("a.=1", Err("key map \"a\" has no value")),
    (".a=1", Ok("{}")),
    ("a..b=1", Err("key map \"a\" has no value")),
    ("=1", Ok("{}")),
    (
        "a[x]=1",
        Err("error parsing index: strconv.Atoi: parsing \"x\": invalid syntax"),
    ),
    ("a[-1]=1", Err("negative -1 index not allowed")),
    (
        "a[65537]=1",
        Err("index of 65537 is greater than maximum supported index of 65536"),
    ),
    ("a[0", Err("error parsing index: EOF")),
    ("a[0]", Ok("{\"a\":[]}")),
    (
        "a[0]x=1",
        Err("unexpected data at end of array index: ['x']"),
    ),
    ("a[0].b=", Ok("{\"a\":[]}")),
    ("a[1].b=,c=1", Ok("{\"a\":[null,{\"b\":\"\"}],\"c\":1}")),
    ("a.b=", Ok("{\"a\":{\"b\":\"\"}}")),
    ("a=null", Ok("{\"a\":null}")),
    ("a=NULL", Ok("{\"a\":null}")),
    ("a=True", Ok("{\"a\":true}")),
    ("a=false", Ok("{\"a\":false}")),
    ("a=0", Ok("{\"a\":0}")),
    ("a=00", Ok("{\"a\":\"00\"}")),
    ("a=0x1", Ok("{\"a\":\"0x1\"}")),
    ("a=-5", Ok("{\"a\":-5}")),
    ("a=+5", Ok("{\"a\":5}")),
    (
        "a=9223372036854775808",
        Ok("{\"a\":\"9223372036854775808\"}"),
    ),
    ("a=1.5", Ok("{\"a\":\"1.5\"}")),
    ("a=1e3", Ok("{\"a\":\"1e3\"}")),
    ("a=\"x\"", Ok("{\"a\":\"\\\"x\\\"\"}")),
    ("a\\.b=1", Ok("{\"a.b\":1}")),
    ("a=x\\,y", Ok("{\"a\":\"x,y\"}")),
    ("a=x\\", Ok("{\"a\":\"x\"}")),
    ("a\\", Err("key \"a\" has no value")),
    ("a=b=c", Ok("{\"a\":\"b=c\"}")),
    ("a.b=1,a.c=2", Ok("{\"a\":{\"b\":1,\"c\":2}}")),
    (
        "a=1,a.b=2",
        Err(
            "unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}",
        ),
    ),
    ("a.b=1,a=2", Ok("{\"a\":2}")),
    (
        "a=1,a[0]=2",
        Err("unable to parse key: interface conversion: interface {} is int64, not []interface {}"),
    ),
    ("a[0]=1,a[0].b=2", Ok("{\"a\":[{\"b\":2}]}")),
    (
        "a[0]=x,a[0][0]=1",
        Err(
            "unable to parse key: interface conversion: interface {} is string, not []interface {}",
        ),
    ),
    ("a[0].b[1].c=1", Ok("{\"a\":[{\"b\":[null,{\"c\":1}]}]}")),
    ("a= 1", Ok("{\"a\":\" 1\"}")),
    ("a =1", Ok("{\"a \":1}")),
    (" a=1", Ok("{\" a\":1}")),
    ("a={x\\,y,z}", Ok("{\"a\":[\"x,y\",\"z\"]}")),
    ("a={ 1, 2 }", Ok("{\"a\":[\" 1\",\" 2 \"]}")),
    ("a[0]={1,2},b=3", Ok("{\"a\":[[1,2]],\"b\":3}")),
    ("a.b[1]=x,a.b[0]=y", Ok("{\"a\":{\"b\":[\"y\",\"x\"]}}")),
    ("ä.ö=ü", Ok("{\"ä\":{\"ö\":\"ü\"}}")),
    (
        "a[]=1",
        Err("error parsing index: strconv.Atoi: parsing \"\": invalid syntax"),
    ),
    (
        "a[99999999999999999999]=1",
        Err(
            "error parsing index: strconv.Atoi: parsing \"99999999999999999999\": value out of range",
        ),
    ),
    (
        "a1.a2.a3.a4.a5.a6.a7.a8.a9.a10.a11.a12.a13.a14.a15.a16.a17.a18.a19.a20.a21.a22.a23.a24.a25.a26.a27.a28.a29.a30.a31.a32=1",
        Err("value name nested level is greater than maximum supported nested level of 30"),
    ),
    ("a.b=null", Ok("{\"a\":{\"b\":null}}")),
    ("a[0]=null", Ok("{\"a\":[null]}")),
    ("", Ok("{}")),
    ("a=1,", Ok("{\"a\":1}")),
    ("a==1", Ok("{\"a\":\"=1\"}")),
    ("a[0]==", Ok("{\"a\":[\"=\"]}")),
    ("a={},b=1", Ok("{\"a\":[\"\"],\"b\":1}")),
    ("a[1][0].x=1", Ok("{\"a\":[null,[{\"x\":1}]]}")),
    ("a[0]=1,a[1]=2,a[0]=3", Ok("{\"a\":[3,2]}")),
];
