//! DuckDB's logical types as lake types.

use std::ffi::c_char;

use ducksync_core::{
    Error, Result,
    types::{Field, LakeType},
};
use libduckdb_sys as ffi;

use super::database::owned_text;

/// A logical type, destroyed when dropped.
pub(super) struct Logical(pub(super) ffi::duckdb_logical_type);

impl Drop for Logical {
    fn drop(&mut self) {
        // SAFETY: created for us by DuckDB and not used again; destroying null is allowed.
        unsafe { ffi::duckdb_destroy_logical_type(&mut self.0) };
    }
}

impl Logical {
    pub(super) fn id(&self) -> ffi::duckdb_type {
        // SAFETY: the type is alive; null gives INVALID.
        unsafe { ffi::duckdb_get_type_id(self.0) }
    }

    /// Whether DuckDB cannot tell the type before the parameters are known.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(
            self.id(),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INVALID | ffi::DUCKDB_TYPE_DUCKDB_TYPE_ANY
        )
    }

    /// Whether it holds 128-bit integers, of which Arrow carries 38 digits only.
    pub(super) fn has_huge(&self) -> bool {
        match self.id() {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => true,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => self.list_child().has_huge(),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => self.array_child().has_huge(),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                self.map_key().has_huge() || self.map_value().has_huge()
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => {
                self.struct_children().any(|(_, child)| child.has_huge())
            }
            _ => false,
        }
    }

    /// The lake type in which values of this type leave DuckDB.
    ///
    /// # Errors
    /// `InvalidArgument` for what neither Arrow nor Parquet carries, naming a cast.
    pub(super) fn lake_type(&self) -> Result<LakeType> {
        Ok(match self.id() {
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN => LakeType::Boolean,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TINYINT => LakeType::Int8,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_SMALLINT => LakeType::Int16,
            // An untyped NULL is stored as INTEGER by CREATE TABLE AS, and shown so.
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER | ffi::DUCKDB_TYPE_DUCKDB_TYPE_SQLNULL => {
                LakeType::Int32
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT | ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTEGER_LITERAL => {
                LakeType::Int64
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UTINYINT => LakeType::Uint8,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_USMALLINT => LakeType::Uint16,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UINTEGER => LakeType::Uint32,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UBIGINT => LakeType::Uint64,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_FLOAT => LakeType::Float32,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DOUBLE => LakeType::Float64,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_HUGEINT => LakeType::Decimal {
                precision: 38,
                scale: 0,
            },
            // SAFETY (both calls): the type is a DECIMAL.
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DECIMAL => LakeType::Decimal {
                precision: unsafe { ffi::duckdb_decimal_width(self.0) },
                scale: unsafe { ffi::duckdb_decimal_scale(self.0) },
            },
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_DATE => LakeType::Date,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME => LakeType::Time,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME_TZ => LakeType::TimeTz,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP => LakeType::Timestamp,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_S => LakeType::TimestampS,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_MS => LakeType::TimestampMs,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_NS => LakeType::TimestampNs,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIMESTAMP_TZ => LakeType::TimestampTz,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_INTERVAL => LakeType::Interval,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR => self.text_type(),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRING_LITERAL | ffi::DUCKDB_TYPE_DUCKDB_TYPE_ENUM => {
                LakeType::Varchar
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_BLOB => LakeType::Blob,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_UUID => LakeType::Uuid,
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_LIST => LakeType::list(self.list_child().lake_type()?),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_ARRAY => LakeType::list(self.array_child().lake_type()?),
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_MAP => {
                LakeType::map(self.map_key().lake_type()?, self.map_value().lake_type()?)
            }
            ffi::DUCKDB_TYPE_DUCKDB_TYPE_STRUCT => LakeType::Struct(
                self.struct_children()
                    .map(|(name, child)| Ok(Field::new(name, child.lake_type()?)))
                    .collect::<Result<_>>()?,
            ),
            other => return Err(unsupported(other)),
        })
    }

    fn text_type(&self) -> LakeType {
        // SAFETY: the type is alive; the alias is freed.
        let alias = owned_text(unsafe { ffi::duckdb_logical_type_get_alias(self.0) });
        match alias.as_deref() {
            Some("JSON") => LakeType::Json,
            _ => LakeType::Varchar,
        }
    }

    fn list_child(&self) -> Self {
        // SAFETY: the type is a LIST.
        Self(unsafe { ffi::duckdb_list_type_child_type(self.0) })
    }

    fn array_child(&self) -> Self {
        // SAFETY: the type is an ARRAY.
        Self(unsafe { ffi::duckdb_array_type_child_type(self.0) })
    }

    fn map_key(&self) -> Self {
        // SAFETY: the type is a MAP.
        Self(unsafe { ffi::duckdb_map_type_key_type(self.0) })
    }

    fn map_value(&self) -> Self {
        // SAFETY: the type is a MAP.
        Self(unsafe { ffi::duckdb_map_type_value_type(self.0) })
    }

    fn struct_children(&self) -> impl Iterator<Item = (String, Self)> + '_ {
        // SAFETY (all calls): the type is a STRUCT and the index is below its count.
        let count = unsafe { ffi::duckdb_struct_type_child_count(self.0) };
        (0..count).map(|index| {
            let name: *mut c_char = unsafe { ffi::duckdb_struct_type_child_name(self.0, index) };
            let child = unsafe { ffi::duckdb_struct_type_child_type(self.0, index) };
            (owned_text(name).unwrap_or_default(), Self(child))
        })
    }
}

fn unsupported(id: ffi::duckdb_type) -> Error {
    let (name, cast) = match id {
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_UNION => ("UNION", "VARCHAR"),
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIT => ("BIT", "VARCHAR"),
        // Its upper half would look like negative numbers.
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_UHUGEINT => ("UHUGEINT", "HUGEINT"),
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGNUM => ("BIGNUM", "VARCHAR"),
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_TIME_NS => ("TIME_NS", "TIME"),
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARIANT => ("VARIANT", "JSON"),
        ffi::DUCKDB_TYPE_DUCKDB_TYPE_GEOMETRY => ("GEOMETRY", "VARCHAR"),
        _ => ("of this column", "VARCHAR"),
    };
    Error::invalid(format!("type {name} can be neither sent nor stored"))
        .with_remedy(format!("cast it to {cast}"))
}
