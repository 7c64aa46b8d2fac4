//! Functions of many rows: aggregates and windows.
//!
//! AVG is absent, since its scale is not documented; so are sums of FLOAT, which depend on the order.

use sqlparser::ast::WindowType;

use super::{
    Mover, Moving,
    functions::Call,
    scope::{Scope, Typed},
    stop,
    types::{Number, Type},
};

/// The types of COUNT and SUM are not documented: the source tells them.
const COUNTED: Type = Type::Number(Number {
    least: 1,
    most: 38,
    scale: 0,
});

impl Mover<'_> {
    /// An aggregate; `None` if the call is none.
    pub(super) fn aggregate(
        &mut self,
        call: &Call<'_>,
        scope: &Scope<'_>,
    ) -> Moving<Option<Typed>> {
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let value = match (call.name.as_str(), call.arguments.as_slice()) {
            ("COUNT", []) if call.star && !call.distinct => {
                return Ok(Some(Typed::new("count(*)", COUNTED)));
            }
            ("COUNT" | "SUM" | "MIN" | "MAX" | "COUNT_IF", [argument]) => {
                self.expression(argument, scope)?
            }
            _ => return Ok(None),
        };
        let refused = || stop(format!("{}({distinct}{})", call.name, value.ty.word()));
        let typed = match (call.name.as_str(), &value.ty) {
            ("COUNT", Type::Null) => return refused(),
            ("COUNT", ty) if !call.distinct || ty.is_groupable() => {
                Typed::new(format!("count({distinct}{})", value.sql), COUNTED)
            }
            // The sum has all digits that there are, and fails beyond.
            ("SUM", Type::Number(number)) => {
                let sum = Number {
                    least: number.least,
                    ..Number::exact(38, number.scale)
                };
                let sql = format!(
                    "CAST(sum({distinct}CAST({} AS {})) AS {})",
                    value.sql,
                    number.wide(),
                    sum.wide()
                );
                Typed::new(sql, Type::Number(sum))
            }
            ("MIN" | "MAX", ty) if ty.is_ordered() && *ty != Type::Boolean => {
                let function = call.name.to_ascii_lowercase();
                Typed::new(format!("{function}({})", value.sql), value.ty.clone())
            }
            ("COUNT_IF", Type::Boolean) if !call.distinct => {
                Typed::new(format!("count_if({})", value.sql), COUNTED)
            }
            _ => return refused(),
        };
        Ok(Some(typed))
    }

    /// A window function without frame: an aggregate of a partition, or a rank in an order.
    pub(super) fn window(
        &mut self,
        call: &Call<'_>,
        window: &WindowType,
        scope: &Scope<'_>,
    ) -> Moving<Typed> {
        let WindowType::WindowSpec(spec) = window else {
            return stop("a named window");
        };
        if spec.window_name.is_some() || spec.window_frame.is_some() || call.distinct {
            return stop(format!("{} OVER ({spec})", call.name));
        }
        let mut inside = String::new();
        let mut keys = Vec::new();
        for key in &spec.partition_by {
            let key = self.expression(key, scope)?;
            if !key.ty.is_groupable() {
                return stop(format!("PARTITION BY of {}", key.ty.word()));
            }
            keys.push(key.sql);
        }
        if !keys.is_empty() {
            inside = format!("PARTITION BY {}", keys.join(", "));
        }
        let order = self.window_order(&spec.order_by, scope)?;
        let rank = matches!(call.name.as_str(), "ROW_NUMBER" | "RANK" | "DENSE_RANK");
        let value = match (rank, order.is_empty()) {
            (true, false) if call.arguments.is_empty() && !call.star => {
                inside = format!("{inside} ORDER BY {}", order.join(", "));
                let function = call.name.to_ascii_lowercase();
                let number = Type::Number(Number::untold(0));
                return Ok(Typed::new(format!("{function}() OVER ({inside})"), number));
            }
            (false, true) => self.aggregate(call, scope)?,
            _ => None,
        };
        match value {
            // The cast of a sum stands around the whole window.
            Some(Typed { sql, ty, .. }) => match (sql.strip_prefix("CAST("), &ty) {
                (Some(rest), Type::Number(number)) if call.name == "SUM" => {
                    let end = format!(" AS {})", number.wide());
                    let sum = rest.strip_suffix(&end).unwrap_or(rest);
                    let sql = format!("CAST({sum} OVER ({inside}) AS {})", number.wide());
                    Ok(Typed::new(sql, ty))
                }
                _ => Ok(Typed::new(format!("{sql} OVER ({inside})"), ty)),
            },
            None => stop(format!("{} OVER ({spec})", call.name)),
        }
    }
}
