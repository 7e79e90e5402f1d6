//! Calculated fields and formulas as SQL, by the rules of [`crate::expr`].

use super::sql::{Kind, Pieces, Sql, float, holds_part, literal, quote, shown};
use crate::expr::{Expr, Function, Node};
use crate::spec::FilterOp;
use crate::value::Value;

impl Pieces {
    /// Its columns are known; what ClickHouse has no equal of is refused.
    pub(super) fn expression(&mut self, expr: &Expr) -> Result<Sql, String> {
        let names: Vec<&str> = expr.columns().collect();
        self.node(expr.root(), &names)
    }

    fn node(&mut self, node: &Node, names: &[&str]) -> Result<Sql, String> {
        match node {
            Node::Literal(None) => Ok(Sql::new("NULL", Kind::Null)),
            Node::Literal(Some(value)) => Ok(literal(value)),
            Node::Column(column) => Ok(self.columns[names[*column]].clone()),
            Node::Regex(function, text, regex) => {
                let text = self.node(text, names)?;
                let text = self.text(&text);
                // In ClickHouse a dot is also the end of a line, unless told.
                let pattern = quote(&format!("(?-s){}", regex.as_str()));
                let (sql, kind) = match function {
                    Function::RegMatch => (format!("match({text}, {pattern})"), Kind::Bool),
                    Function::RegCount => {
                        (format!("toFloat64(countMatches({text}, {pattern}))"), Kind::Number)
                    }
                    _ => {
                        let value = format!("extract({text}, {pattern})");
                        (format!("if(match({text}, {pattern}), {value}, NULL)"), Kind::Text)
                    }
                };
                Ok(self.alias(sql, kind))
            }
            Node::Call(function, arguments) => {
                let arguments: Vec<Sql> =
                    arguments.iter().map(|argument| self.node(argument, names)).collect::<Result<_, _>>()?;
                let Sql { text, kind } = self.call(*function, &arguments)?;
                Ok(self.alias(text, kind))
            }
        }
    }

    fn call(&mut self, function: Function, arguments: &[Sql]) -> Result<Sql, String> {
        let numbers = |pieces: &mut Self| -> Vec<String> {
            arguments.iter().map(|argument| pieces.loose_number(argument)).collect()
        };
        let truths = |pieces: &mut Self, word: &str| {
            let truths: Vec<_> = arguments.iter().map(|argument| pieces.is_true(argument)).collect();
            Sql::new(format!("({})", truths.join(word)), Kind::Bool)
        };
        let number = |text: String| Sql::new(text, Kind::Number);
        let bool = |text: String| Sql::new(text, Kind::Bool);
        Ok(match function {
            Function::If => {
                let mut conditions = Vec::new();
                for arm in arguments.chunks_exact(2) {
                    conditions.push(self.is_true(&arm[0]));
                }
                choose(&conditions, arguments)
            }
            Function::Switch => {
                let mut conditions = Vec::new();
                for case in arguments[1..].chunks_exact(2) {
                    conditions.push(self.compare(&arguments[0], "=", &case[0]));
                }
                choose(&conditions, &arguments[1..])
            }
            Function::Coalesce => {
                let (texts, kind) = alike(arguments.iter());
                Sql::new(format!("coalesce({})", texts.join(", ")), kind)
            }
            Function::Lt | Function::Lte | Function::Gt | Function::Gte => {
                let op = match function {
                    Function::Lt => "<",
                    Function::Lte => "<=",
                    Function::Gt => ">",
                    _ => ">=",
                };
                let compared = self.compare(&arguments[0], op, &arguments[1]);
                let (a, b) = (&arguments[0].text, &arguments[1].text);
                bool(format!("if(isNull({a}) OR isNull({b}), NULL, {compared})"))
            }
            Function::Equals => bool(self.compare(&arguments[0], "=", &arguments[1])),
            Function::Differs => bool(format!("NOT {}", self.compare(&arguments[0], "=", &arguments[1]))),
            Function::In => {
                let cases: Vec<_> =
                    arguments[1..].iter().map(|case| self.compare(&arguments[0], "=", case)).collect();
                bool(format!("({})", cases.join(" OR ")))
            }
            Function::Exists => bool(format!("isNotNull({})", arguments[0].text)),
            Function::Not => bool(format!("NOT {}", self.is_true(&arguments[0]))),
            Function::And => truths(self, " AND "),
            Function::Or => truths(self, " OR "),
            Function::Min => number(format!("arrayReduce('minOrNull', [{}])", numbers(self).join(", "))),
            Function::Max => number(format!("arrayReduce('maxOrNull', [{}])", numbers(self).join(", "))),
            Function::Sum => number(format!("({})", numbers(self).join(" + "))),
            Function::Mul => number(format!("({})", numbers(self).join(" * "))),
            Function::Sub => number(format!("({})", numbers(self).join(" - "))),
            Function::Div | Function::Mod => {
                let [a, b] = &numbers(self)[..] else { unreachable!("the parser counts") };
                let op = if function == Function::Div { "/" } else { "%" };
                number(format!("({a} {op} nullIf({b}, 0))"))
            }
            Function::Log10 => {
                let a = self.loose_number(&arguments[0]);
                number(format!("if({a} > 0, log10({a}), NULL)"))
            }
            Function::Bucket => self.bucket(arguments),
            Function::Int => number(format!("trunc({})", self.loose_number(&arguments[0]))),
            Function::Float => number(self.loose_number(&arguments[0])),
            Function::Bool => {
                let is_true = self.is_true(&arguments[0]);
                bool(format!("if(isNull({}), NULL, {is_true})", arguments[0].text))
            }
            Function::String => Sql::new(shown(&arguments[0]), Kind::Text),
            Function::Concat => {
                let parts: Vec<_> =
                    arguments.iter().map(|argument| format!("ifNull({}, '')", shown(argument))).collect();
                Sql::new(format!("concat('', {})", parts.join(", ")), Kind::Text)
            }
            Function::StartsWith | Function::EndsWith | Function::Contains => {
                let op = match function {
                    Function::StartsWith => FilterOp::StartsWith,
                    Function::EndsWith => FilterOp::EndsWith,
                    _ => FilterOp::Contains,
                };
                let (text, part) = (self.text(&arguments[0]), self.text(&arguments[1]));
                bool(holds_part(op, &text, &part))
            }
            Function::ToLower => Sql::new(format!("lowerUTF8({})", self.text(&arguments[0])), Kind::Text),
            Function::Length => {
                let is_letters = arguments.get(1).is_some_and(|unit| unit.text == "'chars'");
                let length = if is_letters { "lengthUTF8" } else { "length" };
                number(format!("toFloat64({length}({}))", self.text(&arguments[0])))
            }
            Function::IngestTimestamp => Sql::new("NULL", Kind::Null),
            Function::EventTimestamp => number("t / 1000000000".to_owned()),
            Function::UnixTimestamp => return Err("UNIX_TIMESTAMP does not run on ClickHouse".to_owned()),
            Function::FormatTime => return Err("FORMAT_TIME does not run on ClickHouse".to_owned()),
            Function::RegMatch | Function::RegValue | Function::RegCount => {
                unreachable!("the parser makes these `Node::Regex`")
            }
        })
    }

    fn bucket(&mut self, arguments: &[Sql]) -> Sql {
        let none = literal(&Value::Int(0));
        let mut given = |place: usize| arguments.get(place).map(|argument| self.loose_number(argument));
        let (number, size, least, most) = (given(0), given(1), given(2), given(3));
        let (number, size) = (number.unwrap_or_default(), size.unwrap_or_default());
        let origin = least.as_ref().map_or(none.text, |least| format!("ifNull({least}, {})", float(0.0)));
        let low = format!("floor(({number} - {origin}) / nullIf({size}, 0)) * {size} + {origin}");
        let low = self.alias(low, Kind::Number).text;
        let mut arms = vec![format!("isNull({number}) OR ifNull({size} <= 0, true), NULL")];
        if let Some(least) = least {
            arms.push(format!("ifNull({number} < {least}, false), concat('< ', toString({least}))"));
        }
        if let Some(most) = most {
            arms.push(format!("ifNull({number} >= {most}, false), concat('>= ', toString({most}))"));
        }
        let range = format!("concat(toString({low} + 0), ' - ', toString({low} + {size}))");
        Sql::new(format!("multiIf({}, {range})", arms.join(", ")), Kind::Text)
    }
}

/// `arms`: condition (told apart already) and value in turn, at the end perhaps a value for all else.
fn choose(conditions: &[String], arms: &[Sql]) -> Sql {
    let pairs = arms.chunks_exact(2);
    let last = pairs.remainder().first().cloned().unwrap_or_else(|| Sql::new("NULL", Kind::Null));
    let values: Vec<Sql> = pairs.map(|arm| arm[1].clone()).chain([last]).collect();
    let (texts, kind) = alike(values.iter());
    let (last, texts) = texts.split_last().expect("there is the last one");
    let arms: Vec<_> = conditions.iter().zip(texts).map(|(when, then)| format!("{when}, {then}")).collect();
    Sql::new(format!("multiIf({}, {last})", arms.join(", ")), kind)
}

/// Values of one kind as they are; of several, as texts that read as what they were.
fn alike<'a>(values: impl Iterator<Item = &'a Sql> + Clone) -> (Vec<String>, Kind) {
    let mut kinds = values.clone().map(|value| value.kind).filter(|kind| *kind != Kind::Null);
    let first = kinds.next();
    match first {
        None => (values.map(|value| value.text.clone()).collect(), Kind::Null),
        Some(kind) if kinds.all(|other| other == kind) => {
            (values.map(|value| value.text.clone()).collect(), kind)
        }
        Some(_) => (values.map(shown).collect(), Kind::Any),
    }
}
