//! A JSON Schema, checked. (The tests of `sinks` use this file too.)

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;
use serde_json::Value as Json;

/// The part of JSON Schema that the fixture uses; an unknown keyword is an error, so that none is there for show.
pub(crate) struct Schema {
    root: Json,
    patterns: RefCell<HashMap<String, Regex>>,
}

impl Schema {
    pub(crate) fn parse(text: &str) -> Self {
        Self { root: serde_json::from_str(text).unwrap(), patterns: RefCell::default() }
    }

    pub(crate) fn check(&self, document: &Json) -> Result<(), String> {
        self.check_at(&self.root, document, "")
    }

    fn check_at(&self, schema: &Json, value: &Json, path: &str) -> Result<(), String> {
        for (keyword, wanted) in schema.as_object().unwrap() {
            let number = || wanted.as_u64().unwrap() as usize;
            let characters = || value.as_str().map(|text| text.chars().count());
            let items = || value.as_array().into_iter().flatten();
            let members = || value.as_object().into_iter().flatten();
            let holds = match keyword.as_str() {
                "$schema" | "title" | "definitions" | "properties" | "patternProperties" => true,
                "$ref" => {
                    let target = self.root.pointer(&wanted.as_str().unwrap()[1..]).unwrap();
                    self.check_at(target, value, path)?;
                    true
                }
                "type" => match wanted.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    other => panic!("type {other}"),
                },
                "enum" => wanted.as_array().unwrap().contains(value),
                "required" => {
                    wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some())
                }
                "oneOf" => {
                    let branches = wanted.as_array().unwrap();
                    let results: Vec<_> = branches.iter().map(|it| self.check_at(it, value, path)).collect();
                    if results.iter().filter(|it| it.is_ok()).count() != 1 {
                        return Err(format!("{path}: not exactly one of {results:?}"));
                    }
                    true
                }
                "minLength" => characters().is_none_or(|count| count >= number()),
                "maxLength" => characters().is_none_or(|count| count <= number()),
                "minimum" => value.as_f64().is_none_or(|value| value >= wanted.as_f64().unwrap()),
                "minItems" => items().count() >= number(),
                "maxItems" => items().count() <= number(),
                "maxProperties" => members().count() <= number(),
                "pattern" => value.as_str().is_none_or(|text| self.is_match(wanted.as_str().unwrap(), text)),
                "items" => {
                    items().try_for_each(|item| self.check_at(wanted, item, &format!("{path}[]")))?;
                    true
                }
                "additionalProperties" => {
                    members()
                        .try_for_each(|(key, value)| self.check_member(schema, wanted, key, value, path))?;
                    true
                }
                other => panic!("the checker does not know {other}"),
            };
            if !holds {
                return Err(format!("{path}: {value} breaks {keyword}: {wanted}"));
            }
        }
        if let Some(properties) =
            schema.get("properties").filter(|_| schema.get("additionalProperties").is_none())
        {
            for (key, wanted) in properties.as_object().unwrap() {
                value
                    .get(key)
                    .map_or(Ok(()), |value| self.check_at(wanted, value, &format!("{path}.{key}")))?;
            }
        }
        Ok(())
    }

    fn check_member(
        &self,
        schema: &Json,
        additional: &Json,
        key: &str,
        value: &Json,
        path: &str,
    ) -> Result<(), String> {
        let path = format!("{path}.{key}");
        if let Some(wanted) = schema["properties"].get(key) {
            return self.check_at(wanted, value, &path);
        }
        let patterns = schema["patternProperties"].as_object().into_iter().flatten();
        for (pattern, wanted) in patterns {
            if self.is_match(pattern, key) {
                return self.check_at(wanted, value, &path);
            }
        }
        if *additional == false {
            Err(format!("{path} is not known"))
        } else {
            self.check_at(additional, value, &path)
        }
    }

    fn is_match(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        let compiled = patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap());
        compiled.is_match(text)
    }
}
