//! Whether an expression holds of a trace. A comparison with a value that is not there does not hold.

use std::cmp::Ordering;

use ::xray::segment::{Annotation, Cause, Document, Http};

use super::{
    Comparison, Expr, FilterError, Flag, Level, Matcher, Number, Operator, RootCause, Text, Value, parse,
};
use crate::xray::trace::View;
use crate::xray::{ACCOUNT, control::Group};

/// A parsed expression with the groups that it may name.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    expr: Option<Expr>,
}

/// What keywords are about: the whole trace, or within braces one segment or one call.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Trace(&'a View),
    Node(&'a View, usize),
}

impl Filter {
    /// An empty expression holds of every trace. Group names are replaced by what they mean.
    pub(crate) fn new(text: &str, groups: &[Group]) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Ok(Self { expr: None });
        }
        let mut expr = parse(text)?;
        expand(&mut expr, groups)?;
        Ok(Self { expr: Some(expr) })
    }

    pub(crate) fn admits(&self, view: &View) -> bool {
        self.expr.as_ref().is_none_or(|expr| holds(expr, Scope::Trace(view)))
    }
}

/// One step only: a group's own filter that names a group holds of nothing, which also ends loops.
fn expand(expr: &mut Expr, groups: &[Group]) -> Result<(), FilterError> {
    match expr {
        Expr::And(all) | Expr::Or(all) => all.iter_mut().try_for_each(|expr| expand(expr, groups)),
        Expr::Not(inner) => expand(inner, groups),
        Expr::Group { by_arn, operator, value } => {
            let named = |group: &&Group| if *by_arn { group.arn == *value } else { group.name == *value };
            let mut meaning = match groups.iter().find(named) {
                None => Expr::Or(Vec::new()),
                Some(group) if group.filter.trim().is_empty() => Expr::And(Vec::new()),
                Some(group) => parse(&group.filter)?,
            };
            if *operator == Operator::IsNot {
                meaning = Expr::Not(Box::new(meaning));
            }
            *expr = meaning;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn holds(expr: &Expr, scope: Scope<'_>) -> bool {
    let view = scope.view();
    match expr {
        Expr::And(all) => all.iter().all(|expr| holds(expr, scope)),
        Expr::Or(any) => any.iter().any(|expr| holds(expr, scope)),
        Expr::Not(inner) => !holds(inner, scope),
        Expr::Flag(flag) => scope.flag(*flag),
        Expr::Number(number, operator, value) => {
            scope.number(*number).is_some_and(|found| compare_numbers(found, *operator, *value))
        }
        Expr::Text(text, comparison) => {
            let found = scope.texts(*text);
            match comparison {
                None => !found.is_empty(),
                Some((Operator::IsNot, value)) => !found.is_empty() && !found.contains(&value.as_str()),
                Some((operator, value)) => found.iter().any(|found| compare_texts(found, *operator, value)),
            }
        }
        Expr::Annotation(key, comparison) => annotation(view, key, comparison.as_ref()),
        Expr::Service(matcher, inner) => (0..view.nodes.len())
            .filter(|place| view.nodes[*place].is_segment || view.is_inferred(*place))
            .any(|place| {
                fits(matcher, view, Some(place))
                    && inner.as_ref().is_none_or(|expr| holds(expr, Scope::Node(view, place)))
            }),
        Expr::Edge(from, to, inner) => view.calls().into_iter().any(|call| {
            fits(from, view, call.caller)
                && fits(to, view, Some(call.callee))
                && inner.as_ref().is_none_or(|expr| holds(expr, Scope::Node(view, call.callee)))
        }),
        Expr::Group { .. } => false,
        Expr::RootCause(cause, level, inner) => root_causes(view, *cause).into_iter().any(|place| {
            let place = match level {
                Level::Service => view.nodes[place].segment.unwrap_or(place),
                Level::Entity | Level::Exception => place,
            };
            let has_exception =
                *level != Level::Exception || exceptions(&view.nodes[place].document).next().is_some();
            has_exception && inner.as_ref().is_none_or(|expr| holds(expr, Scope::Node(view, place)))
        }),
    }
}

impl<'a> Scope<'a> {
    fn view(self) -> &'a View {
        match self {
            Self::Trace(view) | Self::Node(view, _) => view,
        }
    }

    fn document(self) -> Option<&'a Document> {
        match self {
            Self::Trace(view) => view.head(),
            Self::Node(view, place) => Some(&view.nodes[place].document),
        }
    }

    fn flag(self, flag: Flag) -> bool {
        let Some(document) = self.document() else { return false };
        let view = self.view();
        match (flag, self) {
            (Flag::Ok, _) => !(document.error || document.fault || document.throttle),
            (Flag::Error, _) => document.error,
            (Flag::Fault, _) => document.fault,
            (Flag::Throttle, _) => document.throttle,
            (Flag::Partial, Self::Trace(view)) => view.is_partial(),
            (Flag::Partial, Self::Node(..)) => document.end_time.is_none(),
            (Flag::Inferred, Self::Trace(view)) => (0..view.nodes.len()).any(|place| view.is_inferred(place)),
            (Flag::Inferred, Self::Node(view, place)) => view.is_inferred(place),
            (Flag::Remote, _) => exceptions(document).any(|exception| exception.remote),
            (Flag::Root | Flag::First, Self::Trace(_)) => view.entry().is_some(),
            (Flag::Root | Flag::First, Self::Node(view, place)) => view.entry() == Some(place),
            (Flag::Last, Self::Trace(_)) => false,
            (Flag::Last, Self::Node(view, place)) => {
                !view.calls().iter().any(|call| call.caller == Some(place))
            }
        }
    }

    fn number(self, number: Number) -> Option<f64> {
        match (number, self) {
            (Number::Duration, Self::Trace(view)) => Some(view.duration()),
            (Number::ResponseTime, Self::Trace(view)) => view.nodes[view.entry()?].duration(),
            (Number::ResponseTime | Number::Duration, Self::Node(view, place)) => {
                view.nodes[place].duration()
            }
            (Number::HttpStatus, _) => self.http()?.response?.status.map(|status| status as f64),
            // Of a place within root causes, which are not numbered here.
            (Number::Index | Number::Coverage, _) => None,
        }
    }

    fn http(self) -> Option<&'a Http> {
        match self {
            Self::Trace(view) => view.http(),
            Self::Node(..) => self.document()?.http.as_ref(),
        }
    }

    /// Every value; a trace has those of all its documents, but one request.
    fn texts(self, text: Text) -> Vec<&'a str> {
        let request = self.http().map(|http| &http.request);
        let of_request = match text {
            Text::HttpUrl => request.and_then(|request| request.url.as_deref()),
            Text::HttpMethod => request.and_then(|request| request.method.as_deref()),
            Text::HttpUserAgent => request.and_then(|request| request.user_agent.as_deref()),
            Text::HttpClientIp => request.and_then(|request| request.client_ip.as_deref()),
            _ => None,
        };
        if let Some(found) = of_request {
            return vec![found];
        }
        let documents: Vec<&Document> = match self {
            Self::Trace(view) => view.nodes.iter().map(|node| &node.document).collect(),
            Self::Node(view, place) => vec![&view.nodes[place].document],
        };
        let services = || {
            let view = self.view();
            (0..view.nodes.len()).filter(move |place| match self {
                Self::Trace(_) => view.nodes[*place].is_segment || view.is_inferred(*place),
                Self::Node(_, own) => *place == own,
            })
        };
        let view = self.view();
        match text {
            Text::HttpUrl | Text::HttpMethod | Text::HttpUserAgent | Text::HttpClientIp => Vec::new(),
            Text::User => documents.iter().filter_map(|document| document.user.as_deref()).collect(),
            Text::Name => services().map(|place| view.nodes[place].document.name.as_str()).collect(),
            Text::Kind => services()
                .filter_map(|place| {
                    let document = &view.nodes[place].document;
                    document.origin.as_deref().or(match document.namespace.as_deref() {
                        Some("remote") if document.sql.is_some() => Some("Database::SQL"),
                        Some("remote") => Some("remote"),
                        _ => None,
                    })
                })
                .collect(),
            Text::Message => documents
                .iter()
                .flat_map(|document| exceptions(document))
                .filter_map(|exception| exception.message.as_deref())
                .collect(),
            Text::AvailabilityZone => documents
                .iter()
                .filter_map(|document| document.aws.as_ref())
                .filter_map(|aws| {
                    let ec2 = aws.ec2.as_ref().and_then(|ec2| ec2.availability_zone.as_deref());
                    ec2.or_else(|| aws.ecs.as_ref().and_then(|ecs| ecs.availability_zone.as_deref()))
                })
                .collect(),
            Text::InstanceId => documents
                .iter()
                .filter_map(|document| document.aws.as_ref()?.ec2.as_ref()?.instance_id.as_deref())
                .collect(),
            Text::ResourceArn => {
                documents.iter().filter_map(|document| document.resource_arn.as_deref()).collect()
            }
        }
    }
}

/// A `caller` that is out of sight has no name.
fn fits(matcher: &Matcher, view: &View, place: Option<usize>) -> bool {
    let Some(place) = place else { return *matcher == Matcher::default() };
    let service = view.service(place);
    matcher.name.as_ref().is_none_or(|name| *name == service.name)
        && matcher.kind.as_ref().is_none_or(|kind| *kind == service.kind)
        && matcher.account_id.as_ref().is_none_or(|account| {
            let document = &view.nodes[place].document;
            let known = document.aws.as_ref().and_then(|aws| aws.account_id.as_deref());
            known.unwrap_or(ACCOUNT) == account
        })
}

fn annotation(view: &View, key: &str, comparison: Option<&Comparison>) -> bool {
    let found: Vec<&Annotation> =
        view.nodes.iter().filter_map(|node| node.document.annotations.get(key)).collect();
    match comparison {
        None => !found.is_empty(),
        Some(Comparison { operator: Operator::IsNot, value }) => {
            !found.is_empty() && !found.iter().any(|found| compare(found, Operator::Is, value))
        }
        Some(Comparison { operator, value }) => found.iter().any(|found| compare(found, *operator, value)),
    }
}

fn compare(found: &Annotation, operator: Operator, value: &Value) -> bool {
    match (found, value) {
        (Annotation::Bool(found), Value::Bool(value)) => operator == Operator::Is && found == value,
        (Annotation::Int(found), Value::Number(value)) => compare_numbers(*found as f64, operator, *value),
        (Annotation::Double(found), Value::Number(value)) => compare_numbers(*found, operator, *value),
        (Annotation::Text(found), Value::Text(value)) => compare_texts(found, operator, value),
        _ => false,
    }
}

fn compare_numbers(found: f64, operator: Operator, value: f64) -> bool {
    match operator {
        Operator::Is => found.partial_cmp(&value) == Some(Ordering::Equal),
        Operator::IsNot => found.partial_cmp(&value) != Some(Ordering::Equal),
        Operator::Less => found < value,
        Operator::LessOrSame => found <= value,
        Operator::More => found > value,
        Operator::MoreOrSame => found >= value,
        Operator::Contains | Operator::BeginsWith | Operator::EndsWith => false,
    }
}

fn compare_texts(found: &str, operator: Operator, value: &str) -> bool {
    match operator {
        Operator::Is => found == value,
        Operator::IsNot => found != value,
        Operator::Contains => found.contains(value),
        Operator::BeginsWith => found.starts_with(value),
        Operator::EndsWith => found.ends_with(value),
        Operator::Less => found < value,
        Operator::LessOrSame => found <= value,
        Operator::More => found > value,
        Operator::MoreOrSame => found >= value,
    }
}

fn exceptions(document: &Document) -> impl Iterator<Item = &::xray::segment::Exception> {
    let found = match &document.cause {
        Some(Cause::Here(cause)) => cause.exceptions.as_slice(),
        _ => &[],
    };
    found.iter()
}

/// Where it began: the nodes that failed though nothing below them did; for response time the longest leaf.
pub(crate) fn root_causes(view: &View, cause: RootCause) -> Vec<usize> {
    let failed = |place: usize| match cause {
        RootCause::Fault => view.nodes[place].document.fault,
        RootCause::Error => view.nodes[place].document.error,
        RootCause::ResponseTime => false,
    };
    if cause == RootCause::ResponseTime {
        let leaves = (0..view.nodes.len()).filter(|place| view.nodes[*place].children.is_empty());
        let longest = leaves.max_by(|a, b| {
            let seconds = |place: usize| view.nodes[place].duration().unwrap_or_default();
            seconds(*a).total_cmp(&seconds(*b))
        });
        return longest.into_iter().collect();
    }
    (0..view.nodes.len())
        .filter(|place| failed(*place) && !view.nodes[*place].children.iter().any(|child| failed(*child)))
        .collect()
}
