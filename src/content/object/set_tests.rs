use super::*;
use serde_json::json;

fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

fn set(objects: impl IntoIterator<Item = Value>) -> Result<ObjectSet, ContentError> {
    ObjectSet::new(objects, &[], Some("shop-dev"))
}

#[test]
fn invalid_objects_are_refused_with_their_names() {
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
        ((0..201).map(|n| config(&format!("c{n}"), "1")).collect(), "has 201 objects"),
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
    let kinds = ["x.dev/v1", "x.dev/v2"].map(|v| KindRef {
        api_version: v.into(),
        kind: "X".into(),
        pod_template: None,
    });
    assert!(ObjectSet::new([object("x.dev/v1"), object("x.dev/v2")], &kinds, None).is_err());
}
