//! YAML with positions, read as kubectl reads it: YAML 1.1 scalars, aliases, merge keys; a key that occurs twice is an error.
//!
//! Invariant: memory and depth are bounded, whatever aliases refer to.

use super::scalar::scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Levels of a document.
const MAX_DEPTH: usize = 100;
/// Values of a document, with those that aliases repeat.
const MAX_VALUES: usize = 200_000;

/// A position in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// What is wrong with the text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    pub at: Position,
    pub message: String,
}

/// A value, and where it starts.
#[derive(Clone, Debug)]
pub struct Node {
    pub at: Position,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Scalar(Value),
    List(Vec<Node>),
    /// Keys in their order, with their positions.
    Map(Vec<(String, Position, Node)>),
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Field(String),
    Item(usize),
}

impl Node {
    /// The value without its positions.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Map(fields) => {
                let fields = fields.iter().map(|(key, _, node)| (key.clone(), node.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Where a path leads to; if a part of it is missing, where its parent is.
    pub fn position(&self, path: &[Step]) -> Position {
        let (mut node, mut at) = (self, self.at);
        for step in path {
            let next = match (step, &node.content) {
                (Step::Field(name), Content::Map(fields)) => {
                    fields.iter().find(|(key, ..)| key == name).map(|(_, at, node)| (*at, node))
                }
                (Step::Item(index), Content::List(items)) => items.get(*index).map(|item| (item.at, item)),
                (_, Content::Scalar(_) | Content::List(_) | Content::Map(_)) => None,
            };
            let Some(next) = next else { break };
            (at, node) = next;
        }
        at
    }

    /// The items of a list of objects (`kind: List`), or else this node.
    pub fn objects(&self) -> Vec<&Node> {
        let Content::Map(fields) = &self.content else { return vec![self] };
        let field = |name: &str| fields.iter().find(|(key, ..)| key == name).map(|(.., node)| node);
        let is_list = matches!(
            field("kind").map(|kind| &kind.content),
            Some(Content::Scalar(Value::String(kind))) if kind.ends_with("List")
        );
        match field("items").map(|items| &items.content) {
            Some(Content::List(items)) if is_list => items.iter().flat_map(Self::objects).collect(),
            Some(_) | None => vec![self],
        }
    }
}

/// The documents of a text that hold something, and the error at which reading ended.
pub fn documents(text: &str) -> (Vec<Node>, Option<YamlError>) {
    let mut composer = Composer { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), values: 0 };
    let mut documents = Vec::new();
    loop {
        match composer.document() {
            Ok(Some(node)) if matches!(node.content, Content::Scalar(Value::Null)) => {}
            Ok(Some(node)) => documents.push(node),
            Ok(None) => return (documents, None),
            Err(error) => return (documents, Some(error)),
        }
    }
}

struct Composer<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    values: usize,
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), YamlError> {
        let unexpected = |error: &ScanError| YamlError {
            at: Position { line: error.marker().line(), column: error.marker().col() + 1 },
            message: format!("this is not YAML: {}", error.info()),
        };
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, position(&span))),
            Some(Err(error)) => Err(unexpected(&error)),
            None => Ok((Event::StreamEnd, Position { line: 1, column: 1 })),
        }
    }

    /// The next document. None at the end.
    fn document(&mut self) -> Result<Option<Node>, YamlError> {
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    self.values = 0;
                    let (event, at) = self.next()?;
                    return self.node(event, at, 0).map(Some);
                }
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => {
                    return Err(yaml_error(at, "this is not YAML: a value outside of a document"));
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, at: Position, depth: usize) -> Result<Node, YamlError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(yaml_error(at, format!("the document has more than {MAX_VALUES} values")));
        }
        if depth > MAX_DEPTH {
            return Err(yaml_error(at, format!("the document has more than {MAX_DEPTH} levels")));
        }
        let (anchor, content) = match event {
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let node =
                    found.ok_or_else(|| yaml_error(at, "the alias refers to a value that contains it"))?;
                self.values += size(&node);
                return Ok(Node { at, content: node.content });
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str" || tag.handle == "!");
                let is_plain = style == ScalarStyle::Plain && !is_text;
                let value = if is_plain { scalar(&text) } else { Value::String(text.into_owned()) };
                (anchor, Content::Scalar(value))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => (0, Content::Scalar(Value::Null)),
        };
        let node = Node { at, content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Content, YamlError> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                return Ok(Content::List(items));
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, YamlError> {
        let mut fields: Vec<(String, Position, Node)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = match (&event, self.node(event.clone(), at, depth + 1)?.content) {
                (Event::Scalar(text, ..), _) => text.clone().into_owned(),
                (_, Content::Scalar(Value::String(text))) => text,
                (_, Content::Scalar(other)) => other.to_string(),
                (_, Content::List(_) | Content::Map(_)) => {
                    return Err(yaml_error(at, "a key must be text, not a list or an object"));
                }
            };
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at, depth + 1)?;
            if is_merge {
                merged.push(node);
            } else if fields.iter().any(|(other, ..)| *other == key) {
                return Err(yaml_error(at, format!("the key {key:?} occurs twice")));
            } else {
                fields.push((key, at, node));
            }
        }
        for node in merged {
            merge(&mut fields, node);
        }
        Ok(Content::Map(fields))
    }
}

/// Adds the fields of `<<` that are not there.
fn merge(fields: &mut Vec<(String, Position, Node)>, node: Node) {
    match node.content {
        Content::Map(more) => {
            for field in more {
                if !fields.iter().any(|(key, ..)| *key == field.0) {
                    fields.push(field);
                }
            }
        }
        Content::List(items) => items.into_iter().for_each(|item| merge(fields, item)),
        Content::Scalar(_) => {}
    }
}

fn size(node: &Node) -> usize {
    match &node.content {
        Content::Scalar(_) => 1,
        Content::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Content::Map(fields) => 1 + fields.iter().map(|(.., node)| size(node)).sum::<usize>(),
    }
}

fn yaml_error(at: Position, message: impl Into<String>) -> YamlError {
    YamlError { at, message: message.into() }
}

/// The steps of a path such as `spec.windows[2].schedule`.
pub fn steps(path: &str) -> Vec<Step> {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    let step = |part: &str| match part.strip_suffix(']') {
        Some(inner) => inner.parse().map_or_else(|_| Step::Field(inner.to_owned()), Step::Item),
        None => Step::Field(part.to_owned()),
    };
    parts.map(step).collect()
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
