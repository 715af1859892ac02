//! Reads YAML and JSON of unknown origin into values, within a budget for the result: a few lines of YAML aliases, or many aliases of one
//! long text, can expand to gigabytes.

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// What may still be read, and why reading stopped. The reason is stored here, because parsers add the path with its keys to errors,
/// and messages must not show the keys.
#[derive(Debug, Clone)]
pub(in crate::content) struct Budget {
    /// Values of any kind.
    pub values: usize,
    /// Bytes of text and keys.
    pub bytes: usize,
    /// Why reading stopped, if the budget or an unsupported value stopped it.
    pub failure: Option<&'static str>,
}

impl Budget {
    pub(in crate::content) fn new(values: usize, bytes: usize) -> Self {
        Self { values, bytes, failure: None }
    }

    fn fail<E: Error>(&mut self, what: &'static str) -> E {
        self.failure = Some(what);
        E::custom(what)
    }

    fn spend<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        match (self.values.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(values), Some(bytes)) => {
                (self.values, self.bytes) = (values, bytes);
                Ok(())
            }
            (None, _) | (_, None) => {
                Err(self.fail("it is too large once its aliases are expanded: split it"))
            }
        }
    }
}

/// Reads one value.
pub(in crate::content) struct Read<'a>(pub &'a mut Budget);

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value without YAML tag")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.0.spend(0)?;
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.0.fail("a number is not finite: quote it")),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.spend(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.0.spend(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(self.0.fail("YAML tags are not supported: write the value without its tag"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(Read(&mut *self.0))? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.spend(0)?;
        let mut members = Map::new();
        let mut merged = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.spend(key.len())?;
            let value = map.next_value_seed(Read(&mut *self.0))?;
            // YAML's merge key, as kubectl reads it: the keys of the map itself win.
            if key == "<<" {
                merged.push(value);
            } else if members.insert(key, value).is_some() {
                return Err(self.0.fail("a key occurs twice in one map: remove one of them"));
            }
        }
        for value in merged {
            merge(&mut members, value).map_err(|what| self.0.fail(what))?;
        }
        Ok(Value::Object(members))
    }
}

fn merge(members: &mut Map<String, Value>, value: Value) -> Result<(), &'static str> {
    match value {
        Value::Object(other) => {
            for (key, value) in other {
                members.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(maps) => maps.into_iter().try_for_each(|map| match map {
            Value::Object(_) => merge(members, map),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(MERGES)
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(MERGES),
    }
}

const MERGES: &str = "a merge key << needs a map or a list of maps";
