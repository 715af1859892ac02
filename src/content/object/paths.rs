//! Values at paths of a JSON tree. A path is a list of keys, in which `*` matches every element.

use serde_json::Value;

/// A JSON path: keys from the root, `*` for every element of an array or every value of a map.
pub(in crate::content) type JsonPath = &'static [&'static str];

/// Adds every value at `path` below `root` to `found`.
pub(in crate::content) fn at<'a>(root: &'a Value, path: &[&str], found: &mut Vec<&'a Value>) {
    match path.split_first() {
        None => found.push(root),
        Some((&"*", rest)) => {
            if let Some(elements) = root.as_array() {
                elements.iter().for_each(|element| at(element, rest, found));
            } else if let Some(members) = root.as_object() {
                members.values().for_each(|member| at(member, rest, found));
            }
        }
        Some((key, rest)) => {
            if let Some(member) = root.get(*key) {
                at(member, rest, found);
            }
        }
    }
}

/// Like [`at`], for changes.
pub(in crate::content) fn at_mut<'a>(root: &'a mut Value, path: &[&str], found: &mut Vec<&'a mut Value>) {
    match path.split_first() {
        None => found.push(root),
        Some((&"*", rest)) => match root {
            Value::Array(elements) => elements.iter_mut().for_each(|element| at_mut(element, rest, found)),
            Value::Object(members) => members.values_mut().for_each(|member| at_mut(member, rest, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        },
        Some((key, rest)) => {
            if let Some(member) = root.get_mut(*key) {
                at_mut(member, rest, found);
            }
        }
    }
}

/// Every value at any of `paths`.
pub(in crate::content) fn all<'a>(root: &'a Value, paths: &[JsonPath]) -> Vec<&'a Value> {
    let mut found = Vec::new();
    paths.iter().for_each(|path| at(root, path, &mut found));
    found
}

/// Calls `update` on every value at any of `paths`.
pub(in crate::content) fn update_all(
    root: &mut Value,
    paths: &[JsonPath],
    mut update: impl FnMut(&mut Value),
) {
    for path in paths {
        let mut found = Vec::new();
        at_mut(root, path, &mut found);
        found.into_iter().for_each(&mut update);
    }
}

/// Calls `visit` on every string below `root`, keys excepted.
pub(in crate::content) fn each_string<'a>(root: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match root {
        Value::String(text) => visit(text),
        Value::Array(elements) => elements.iter().for_each(|element| each_string(element, visit)),
        Value::Object(members) => members.values().for_each(|member| each_string(member, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Removes `key` from the map at `path`, and the maps on the path that are empty after that.
pub(in crate::content) fn prune(root: &mut Value, path: &[&str], key: &str) {
    match path.split_first() {
        None => {
            if let Some(map) = root.as_object_mut() {
                map.remove(key);
            }
        }
        Some((first, rest)) => {
            if let Some(member) = root.get_mut(*first) {
                prune(member, rest, key);
                drop_if_empty(root, first);
            }
        }
    }
}

/// Removes the member `key` of `parent` when it is an empty map or null.
pub(in crate::content) fn drop_if_empty(parent: &mut Value, key: &str) {
    let empty =
        parent.get(key).is_some_and(|v| v.is_null() || v.as_object().is_some_and(serde_json::Map::is_empty));
    if empty && let Some(map) = parent.as_object_mut() {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_star_matches_every_element_and_other_shapes_are_skipped() {
        let root = json!({"a": [{"b": 1}, {"c": 2}, 3, {"b": 4}], "d": {"x": {"b": 5}}});
        assert_eq!(all(&root, &[&["a", "*", "b"], &["d", "*", "b"], &["a", "b"], &["z", "*"]]), [1, 4, 5]);
    }

    #[test]
    fn pruning_removes_the_maps_that_it_empties() {
        let mut root = json!({"metadata": {"annotations": {"x": "y"}, "name": "n"}});
        prune(&mut root, &["metadata", "annotations"], "x");
        assert_eq!(root, json!({"metadata": {"name": "n"}}));
    }
}
