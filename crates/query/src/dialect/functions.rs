//! Functions of one row.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart,
};

use super::{
    Mover, Moving, dates,
    expression::alike,
    folded, predicates,
    scope::{Scope, Typed},
    stop, text,
    types::{Number, Type},
};

/// The arguments of a call.
pub(super) struct Call<'e> {
    pub(super) name: String,
    pub(super) distinct: bool,
    /// `*` alone.
    pub(super) star: bool,
    pub(super) arguments: Vec<&'e Expr>,
}

impl<'e> Call<'e> {
    /// A plain call: an unqualified name and unnamed arguments.
    fn of(function: &'e Function) -> Moving<Self> {
        let refused = || stop(function.to_string());
        let plain = !function.uses_odbc_syntax
            && function.parameters == FunctionArguments::None
            && function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty();
        let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
            return refused();
        };
        if !plain {
            return refused();
        }
        let mut call = Self {
            name: folded(name),
            distinct: false,
            star: false,
            arguments: Vec::new(),
        };
        let list = match &function.args {
            FunctionArguments::List(list) if list.clauses.is_empty() => list,
            FunctionArguments::None => return Ok(call),
            _ => return refused(),
        };
        call.distinct = match list.duplicate_treatment {
            None => false,
            Some(sqlparser::ast::DuplicateTreatment::Distinct) => true,
            Some(_) => return refused(),
        };
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => call.arguments.push(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => {
                    call.star = true;
                }
                _ => return refused(),
            }
        }
        Ok(call)
    }
}

impl Mover<'_> {
    /// A call.
    pub(super) fn function(&mut self, function: &Function, scope: &Scope<'_>) -> Moving<Typed> {
        let call = Call::of(function)?;
        if let Some(window) = &function.over {
            return self.window(&call, window, scope);
        }
        if let Some(aggregate) = self.aggregate(&call, scope)? {
            return Ok(aggregate);
        }
        if call.distinct || call.star {
            return stop(function.to_string());
        }
        self.scalar(&call, scope)
    }

    fn scalar(&mut self, call: &Call<'_>, scope: &Scope<'_>) -> Moving<Typed> {
        let all = |mover: &mut Self| -> Moving<Vec<Typed>> {
            let arguments = call.arguments.iter();
            arguments
                .map(|expr| mover.expression(expr, scope))
                .collect()
        };
        match (call.name.as_str(), call.arguments.as_slice()) {
            ("COALESCE", [_, _, ..]) | ("NVL" | "IFNULL", [_, _]) => {
                let (values, ty) = alike(all(self)?, &call.name)?;
                Ok(Typed::new(format!("coalesce({})", values.join(", ")), ty))
            }
            ("ZEROIFNULL", [value]) => {
                let value = self.expression(value, scope)?;
                let zero = Typed::new("0", Type::Number(Number::exact(1, 0)));
                let (values, ty) = alike(vec![value, zero], "ZEROIFNULL")?;
                Ok(Typed::new(format!("coalesce({})", values.join(", ")), ty))
            }
            ("IFF", [condition, yes, no]) => {
                let condition = self.predicate(condition, scope)?;
                let values = vec![self.expression(yes, scope)?, self.expression(no, scope)?];
                let (values, ty) = alike(values, "IFF")?;
                let [yes, no] = values.as_slice() else {
                    return stop("IFF");
                };
                let sql = format!("(CASE WHEN {condition} THEN {yes} ELSE {no} END)");
                Ok(Typed::new(sql, ty))
            }
            ("NULLIF", [_, _]) => {
                let [value, other] =
                    <[Typed; 2]>::try_from(all(self)?).or_else(|_| stop("NULLIF"))?;
                let ty = value.ty.clone();
                let (left, right) = predicates::comparable(value, other)?;
                Ok(Typed::new(format!("nullif({left}, {right})"), ty))
            }
            ("CONCAT", [_, ..]) => text::joined(&all(self)?),
            ("SUBSTR" | "SUBSTRING", [value, from]) => {
                let value = self.expression(value, scope)?;
                text::substring(&value, from, None)
            }
            ("SUBSTR" | "SUBSTRING", [value, from, length]) => {
                let value = self.expression(value, scope)?;
                text::substring(&value, from, Some(length))
            }
            ("STARTSWITH" | "ENDSWITH" | "CONTAINS", [_, _]) => {
                let values = all(self)?;
                if values.iter().any(|value| value.ty != Type::Text) {
                    return stop(format!("{} of what is no VARCHAR", call.name));
                }
                let function = match call.name.as_str() {
                    "STARTSWITH" => "starts_with",
                    "ENDSWITH" => "ends_with",
                    _ => "contains",
                };
                let texts: Vec<_> = values.into_iter().map(|value| value.sql).collect();
                let sql = format!("{function}({})", texts.join(", "));
                Ok(Typed::new(sql, Type::Boolean))
            }
            ("LENGTH" | "LEN", [value]) => {
                let value = self.expression(value, scope)?;
                if value.ty != Type::Text {
                    return stop(format!("LENGTH of {}", value.ty.word()));
                }
                let sql = format!("length({})", value.sql);
                Ok(Typed::new(sql, Type::Number(Number::untold(0))))
            }
            ("ABS", [value]) => {
                let value = self.expression(value, scope)?;
                let Type::Number(number) = value.ty else {
                    return stop(format!("ABS of {}", value.ty.word()));
                };
                let sql = format!("abs(CAST({} AS {}))", value.sql, number.wide());
                Ok(Typed::new(sql, Type::Number(Number::untold(number.scale))))
            }
            (
                "YEAR" | "QUARTER" | "MONTH" | "DAY" | "DAYOFMONTH" | "HOUR" | "MINUTE" | "SECOND",
                [value],
            ) => {
                let value = self.expression(value, scope)?;
                let unit = call.name.replace("DAYOFMONTH", "DAY");
                dates::part(&unit, &value)
            }
            ("DATE_PART", [unit, value]) => {
                let unit = dates::unit_argument(unit)?;
                dates::part(unit, &self.expression(value, scope)?)
            }
            ("DATE_TRUNC", [unit, value]) => {
                let unit = dates::unit_argument(unit)?;
                dates::truncated(unit, &self.expression(value, scope)?)
            }
            ("DATEADD" | "TIMESTAMPADD", [unit, count, value]) => {
                let unit = dates::unit_argument(unit)?;
                dates::added(unit, count, &self.expression(value, scope)?)
            }
            ("DATEDIFF" | "TIMESTAMPDIFF", [unit, from, to]) => {
                let unit = dates::unit_argument(unit)?;
                let from = self.expression(from, scope)?;
                dates::difference(unit, &from, &self.expression(to, scope)?)
            }
            ("TO_DATE" | "DATE", [value]) => {
                let value = self.expression(value, scope)?;
                match value.ty {
                    Type::Date | Type::Timestamp => Ok(Typed::new(
                        format!("CAST({} AS DATE)", value.sql),
                        Type::Date,
                    )),
                    Type::Text if value.literal.is_some() => Ok(Typed::new(
                        dates::literal_as(&Type::Date, &value)?,
                        Type::Date,
                    )),
                    other => stop(format!("{} of {}", call.name, other.word())),
                }
            }
            _ => stop(format!(
                "{}() with {} arguments",
                call.name,
                call.arguments.len()
            )),
        }
    }
}
