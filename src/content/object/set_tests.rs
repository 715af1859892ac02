use super::*;
use serde_json::json;

fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

fn set(objects: impl IntoIterator<Item = Value>) -> Result<ObjectSet, ContentError> {
    ObjectSet::new(objects, &[], Some("shop-dev"))
}

#[test]
fn the_order_of_objects_does_not_change_the_digest() {
    let one = set([config("a", "1"), config("b", "2")]).unwrap();
    let two = set([config("b", "2"), config("a", "1")]).unwrap();
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.encode().unwrap(), two.encode().unwrap());
    assert_ne!(one.digest(), set([config("a", "1")]).unwrap().digest());
}

#[test]
fn what_was_encoded_is_decoded_and_a_changed_content_is_refused() {
    let content = set([config("a", "1"), config("b", "ü")]).unwrap();
    let mut spec = content.to_spec("shop").unwrap();
    assert_eq!(spec.objects, 2);
    assert_eq!(ObjectSet::from_spec(&spec).unwrap(), content);
    spec.data = set([config("a", "2")]).unwrap().encode().unwrap();
    assert!(ObjectSet::from_spec(&spec).unwrap_err().to_string().contains("digest"));
    assert_eq!(content_name("shop", &spec.digest).len(), "shop-".len() + 16);
}

#[test]
fn the_stream_says_nothing_of_when_and_where_it_was_made() {
    let stream = STANDARD.decode(set([config("a", "1")]).unwrap().encode().unwrap()).unwrap();
    assert_eq!(stream[3..8], [0; 5], "flags and time");
    assert_eq!(stream[9], 255, "operating system unknown");
}

#[test]
fn nonsense_is_not_decoded() {
    let gzip = |text: &[u8]| {
        let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let whole = gzip(b"[]");
    for (data, says) in [
        ("?".to_owned(), "base64"),
        (STANDARD.encode(b"x"), "gzip"),
        (STANDARD.encode(&whole[..whole.len() - 9]), "gzip"),
        (STANDARD.encode(gzip(b"{}")), "array"),
        (STANDARD.encode(gzip("[".repeat(100_000).as_bytes())), "array"),
        (STANDARD.encode(gzip(&vec![b' '; MAX_CANONICAL + 1])), "once decompressed"),
        ("A".repeat(800_000), "longer"),
        (
            STANDARD.encode(gzip(br#"[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}]"#)),
            "Secrets",
        ),
    ] {
        let error = ObjectSet::decode(&data).unwrap_err().to_string();
        assert!(error.contains(says), "{error} lacks {says}");
    }
}

#[test]
fn what_cannot_be_content_is_refused_by_name() {
    let in_namespace = |namespace: Value| {
        let mut object = config("a", "1");
        object["metadata"]["namespace"] = namespace;
        object
    };
    let deep = (0..MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    let mut nested = config("a", "1");
    nested["data"] = deep;
    for (objects, says) in [
        (vec![config("a", "1"), config("a", "2")], "ConfigMap a occurs twice"),
        (vec![in_namespace(json!("kube-system"))], "names the namespace \"kube-system\""),
        (vec![in_namespace(json!(7))], "namespace that is not text"),
        (vec![config("../a", "1")], "not valid"),
        (vec![nested], "nested more than 100 levels"),
        ((0..201).map(|n| config(&format!("c{n}"), "1")).collect(), "201 objects"),
        (vec![json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})], "Secret s cannot"),
        (vec![json!({"apiVersion": "x.dev/v1", "kind": "X", "metadata": {"name": "s"}})], "spec.kinds"),
    ] {
        let error = set(objects).unwrap_err().to_string();
        assert!(error.contains(says), "{error} lacks {says}");
    }
    assert_eq!(set([in_namespace(json!("shop-dev"))]).unwrap(), set([config("a", "1")]).unwrap());
    assert!(
        ObjectSet::new([in_namespace(json!("shop-dev"))], &[], None).is_err(),
        "manifests name no namespace"
    );
}

#[test]
fn one_object_in_two_versions_is_one_object_twice() {
    let object = |version: &str| json!({"apiVersion": version, "kind": "X", "metadata": {"name": "s"}});
    let kinds = ["x.dev/v1", "x.dev/v2"].map(|v| KindRef { api_version: v.into(), kind: "X".into() });
    assert!(ObjectSet::new([object("x.dev/v1"), object("x.dev/v2")], &kinds, None).is_err());
}

#[test]
fn what_does_not_compress_below_the_limit_is_refused_with_figures() {
    // Digests do not compress to less than half.
    let noise: String = (0..20_000).map(|n| sha256(&n.to_string())).collect();
    let error = set([config("a", &noise)]).unwrap().encode().unwrap_err().to_string();
    assert!(error.contains("limit is 524288"), "{error}");
}
