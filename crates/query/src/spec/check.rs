//! The rules between fields.

use std::collections::HashSet;

use super::{
    COMPARE_OFFSETS, CalculationOp, DEFAULT_TIME_RANGE, Filter, MAX_BUCKETS, RELATIONS, Spec, SpecError,
};

pub(super) fn check(spec: &Spec) -> Result<(), SpecError> {
    check_names(spec)?;
    check_formulas(spec)?;
    check_relations(spec)?;
    check_time(spec)
}

fn check_names(spec: &Spec) -> Result<(), SpecError> {
    let mut names = HashSet::new();
    let calculations = spec.calculations.iter().enumerate().filter_map(|(place, calculation)| {
        Some((format!("calculations[{place}].name"), calculation.name.as_deref()?))
    });
    let formulas = spec.formulas.iter().enumerate();
    let formulas =
        formulas.map(|(place, formula)| (format!("formulas[{place}].name"), formula.name.as_str()));
    for (path, name) in calculations.chain(formulas) {
        if !names.insert(name) {
            return Err(SpecError::new(path, format!("\"{name}\" is the name of another one, too")));
        }
    }
    let mut fields = HashSet::new();
    for (place, field) in spec.calculated_fields.iter().enumerate() {
        if !fields.insert(field.name.as_str()) {
            let path = format!("calculated_fields[{place}].name");
            return Err(SpecError::new(path, format!("\"{}\" is the name of another one, too", field.name)));
        }
    }
    Ok(())
}

fn check_formulas(spec: &Spec) -> Result<(), SpecError> {
    if spec.formulas.is_empty() {
        return Ok(());
    }
    if let Some(place) = spec.calculations.iter().position(|c| c.op == CalculationOp::Heatmap) {
        return Err(SpecError::new(format!("calculations[{place}].op"), "HEATMAP does not go with formulas"));
    }
    for (place, formula) in spec.formulas.iter().enumerate() {
        for name in formula.parsed.columns() {
            if !spec.calculations.iter().any(|calculation| calculation.key() == name) {
                return Err(SpecError::new(
                    format!("formulas[{place}].expression"),
                    format!("${name} is no calculation of this query"),
                ));
            }
        }
    }
    Ok(())
}

fn check_relations(spec: &Spec) -> Result<(), SpecError> {
    let refuse = |path: String, column: &str| {
        Err(SpecError::new(path, format!("\"{column}\" is of another span; it can't stand here")))
    };
    for (place, calculation) in spec.calculations.iter().enumerate() {
        if let Some((inner, filter)) = relational(&calculation.filters) {
            return refuse(format!("calculations[{place}].filters[{inner}].column"), &filter.column);
        }
    }
    let has_own_filters = spec.calculations.iter().any(|calculation| !calculation.filters.is_empty());
    if has_own_filters || !spec.formulas.is_empty() {
        if let Some((place, filter)) = relational(&spec.filters) {
            return refuse(format!("filters[{place}].column"), &filter.column);
        }
        if let Some(place) = spec.breakdowns.iter().position(|column| is_relational(column)) {
            return refuse(format!("breakdowns[{place}]"), &spec.breakdowns[place]);
        }
    }
    Ok(())
}

fn relational(filters: &[Filter]) -> Option<(usize, &Filter)> {
    filters.iter().enumerate().find(|(_, filter)| is_relational(&filter.column))
}

pub(crate) fn is_relational(column: &str) -> bool {
    RELATIONS.iter().any(|relation| column.starts_with(relation))
}

fn check_time(spec: &Spec) -> Result<(), SpecError> {
    let time = spec.time;
    if time.range.is_some() && time.start.is_some() && time.end.is_some() {
        return Err(SpecError::new("time_range", "at most two of time_range, start_time and end_time"));
    }
    if let (Some(start), Some(end)) = (time.start, time.end)
        && start > end
    {
        return Err(SpecError::new("start_time", "is after end_time"));
    }
    if time.range == Some(0) {
        return Err(SpecError::new("time_range", "must be 1 or more"));
    }
    let range = match (time.start, time.end) {
        (Some(start), Some(end)) => end - start,
        _ => time.range.unwrap_or(DEFAULT_TIME_RANGE),
    };
    if spec.granularity > 0
        && (spec.granularity > range || spec.granularity.saturating_mul(MAX_BUCKETS) < range)
    {
        let (least, most) = (range.div_ceil(MAX_BUCKETS), range);
        return Err(SpecError::new("granularity", format!("must be 0, or {least} to {most} for this range")));
    }
    if let Some(offset) = spec.compare_time_offset_seconds {
        let path = "compare_time_offset_seconds";
        if !COMPARE_OFFSETS.contains(&offset) && offset != range {
            let known: Vec<_> = COMPARE_OFFSETS.iter().map(u64::to_string).collect();
            return Err(SpecError::new(
                path,
                format!("must be the query's own range or one of {}", known.join(", ")),
            ));
        }
        if offset < range {
            return Err(SpecError::new(path, format!("must be {range} or more, the range of this query")));
        }
    }
    Ok(())
}
