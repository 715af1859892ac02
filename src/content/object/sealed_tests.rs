use super::*;
use serde_json::json;

fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
}

fn digested(objects: impl IntoIterator<Item = Value>) -> Digested {
    Digested::of(ObjectSet::new(objects, &[], None).unwrap()).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn stored(data: String, digest: &str) -> ContentSpec {
    ContentSpec { application: "shop".into(), digest: digest.into(), objects: 1, data }
}

#[test]
fn the_order_of_objects_does_not_change_the_digest() {
    let one = digested([config("a", "1"), config("b", "2")]);
    let two = digested([config("b", "2"), config("a", "1")]);
    assert_eq!(one.seal("shop").unwrap(), two.seal("shop").unwrap());
    assert_ne!(one.digest(), digested([config("a", "1")]).digest());
}

#[test]
fn what_was_stored_is_read_and_a_changed_content_is_refused() {
    let content = digested([config("a", "1"), config("b", "ü")]);
    let sealed = content.seal("shop").unwrap();
    assert_eq!((sealed.count, sealed.name), (2, format!("shop-{}", &content.digest()[..16])));
    let mut spec = content.seal("shop").unwrap().spec(&"shop".into());
    let read = Digested::open(&spec).unwrap();
    assert_eq!((read.objects(), read.digest()), (content.objects(), content.digest()));
    assert_eq!(read.seal("shop"), content.seal("shop"), "stored again it is the same");
    spec.data = digested([config("a", "2")]).seal("shop").unwrap().data;
    assert!(Digested::open(&spec).unwrap_err().to_string().contains("digest"));
}

/// With nothing of ours: base64, gzip, RFC 8785 and SHA-256, as the API documents it.
#[test]
fn anybody_can_compute_the_digest_of_a_stored_content() {
    let rare = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rare"},
        "data": {"\u{fb33}": 1.0, "\u{1f600}": 1e30, "€": "\u{f}\"/"},
    });
    let spec = digested([config("a", "ü"), rare]).seal("shop").unwrap().spec(&"shop".into());
    let mut json = String::new();
    GzDecoder::new(STANDARD.decode(&spec.data).unwrap().as_slice()).read_to_string(&mut json).unwrap();
    assert_eq!(
        json,
        "[{\"apiVersion\":\"v1\",\"data\":{\"k\":\"ü\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}},\
         {\"apiVersion\":\"v1\",\"data\":{\"€\":\"\\u000f\\\"/\",\"\u{1f600}\":1e+30,\"\u{fb33}\":1},\
         \"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"rare\"}}]"
    );
    assert_eq!(serde_json_canonicalizer::pipe(&json).unwrap(), json, "it is canonical");
    let digest: String =
        <sha2::Sha256 as sha2::Digest>::digest(&json).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(spec.digest, digest);
}

#[test]
fn a_content_that_was_stored_before_rfc_8785_keeps_its_digest() {
    let json = "[{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"annotations\":{\"\u{fb33}\":\"1\",\"\u{1f600}\":\"2\"},\
                \"name\":\"web\"},\"spec\":{\"ratio\":1.0,\"revision\":9007199254740993}}]";
    let digest = "c165627f20b1350a1973599cea7dd7f872a498b1a4d70fc9c7d7df1a91475c3b";
    let spec = stored(STANDARD.encode(gzip(json.as_bytes())), digest);
    let old = Digested::open(&spec).unwrap();
    assert_eq!((old.digest(), old.form()), (digest, Form::Sorted));
    let again = old.seal("shop").unwrap();
    assert_eq!(again.digest, digest);
    assert_eq!(
        Digested::open(&again.spec(&"shop".into())).unwrap().objects(),
        old.objects(),
        "no number was rounded"
    );
    assert_eq!(
        old.derive(old.objects().clone()).unwrap().digest(),
        digest,
        "what was approved stays approved"
    );
    let error = Digested::of(old.objects().clone()).unwrap_err().to_string();
    assert!(error.starts_with("Deployment web has the number 9007199254740993"), "{error}");
}

#[test]
fn the_stream_names_no_time_and_no_system() {
    let stream = STANDARD.decode(digested([config("a", "1")]).seal("shop").unwrap().data).unwrap();
    assert_eq!(stream[3..8], [0; 5], "flags and time");
    assert_eq!(stream[9], 255, "operating system unknown");
}

#[test]
fn invalid_data_is_not_read() {
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
        let error = Digested::open(&stored(data, "")).unwrap_err().to_string();
        assert!(error.contains(says), "{error} lacks {says}");
    }
}

#[test]
fn what_does_not_compress_below_the_limit_is_refused_with_figures() {
    // Digests do not compress to less than half.
    let noise: String = (0..20_000).map(|n| sha256(&n.to_string())).collect();
    let error = digested([config("a", &noise)]).seal("shop").unwrap_err().to_string();
    assert!(error.contains("limit is 524288"), "{error}");
}
