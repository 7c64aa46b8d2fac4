//! One column of a batch that is being filled from DuckDB's vectors.

use arrow::{
    array::{ArrayData, ArrayRef, BooleanBufferBuilder, make_array, new_null_array},
    buffer::{BooleanBuffer, MutableBuffer, NullBuffer},
    datatypes::{DataType, IntervalMonthDayNano},
    error::ArrowError,
};
use libduckdb_sys as ffi;

use super::kind::Kind;

/// Decimals of 38 digits end before this.
const DIGITS_38: u128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// TIMETZ keeps this less its offset in its lower bits, so that it sorts.
const MAX_OFFSET_SECONDS: i64 = 16 * 60 * 60 - 1;

/// One flat vector.
pub(super) struct Values {
    pub(super) data: *const u8,
    pub(super) validity: *const u64,
    pub(super) count: usize,
}

impl Values {
    /// # Safety
    /// The vector holds values of type `T`.
    unsafe fn of<T>(&self) -> &[T] {
        // SAFETY: as the caller promises; DuckDB aligns vectors for their type.
        unsafe { std::slice::from_raw_parts(self.data.cast(), self.count) }
    }

    fn is_valid(&self, row: usize) -> bool {
        // SAFETY: where there is a mask, it has a bit for each row.
        self.validity.is_null() || unsafe { *self.validity.add(row / 64) } >> (row % 64) & 1 == 1
    }
}

/// One column that is being filled.
pub(super) struct Filling {
    kind: Kind,
    values: MutableBuffer,
    bits: BooleanBufferBuilder,
    /// Ends of texts so far, for text only.
    offsets: Vec<i32>,
    /// Made with the first mask; until then every value is there.
    validity: Option<BooleanBufferBuilder>,
}

impl Filling {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            values: MutableBuffer::new(0),
            bits: BooleanBufferBuilder::new(0),
            offsets: vec![0],
            validity: None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.len() + self.bits.len() / 8 + self.offsets.len() * 4
    }

    /// # Safety
    /// `values` are of the type that this was made for.
    pub(super) unsafe fn append(
        &mut self,
        values: &Values,
        rows: usize,
    ) -> Result<(), &'static str> {
        self.append_validity(values, rows);
        let begin = self.values.len();
        // SAFETY: as the caller promises, for each kind with the type that DuckDB keeps it in.
        unsafe {
            match self.kind {
                Kind::Boolean => values
                    .of::<u8>()
                    .iter()
                    .for_each(|value| self.bits.append(*value != 0)),
                Kind::Same(width) => {
                    let bytes = std::slice::from_raw_parts(values.data, values.count * width);
                    self.values.extend_from_slice(bytes);
                    self.blank(values, begin, width);
                }
                Kind::Decimal(width) => {
                    match width {
                        2 => self.widen(values.of::<i16>()),
                        4 => self.widen(values.of::<i32>()),
                        _ => self.widen(values.of::<i64>()),
                    }
                    self.blank(values, begin, 16);
                }
                Kind::Huge => return self.append_huge(values),
                Kind::Interval => return self.append_intervals(values),
                Kind::TimeTz => self.append_times(values),
                Kind::Uuid => return self.append_uuids(values),
                Kind::Text => return self.append_texts(values),
                Kind::Null => {}
            }
        }
        Ok(())
    }

    fn append_validity(&mut self, values: &Values, rows: usize) {
        if values.validity.is_null() {
            if let Some(validity) = &mut self.validity {
                validity.append_n(values.count, true);
            }
            return;
        }
        let validity = self.validity.get_or_insert_with(|| {
            let mut validity = BooleanBufferBuilder::new(rows + values.count);
            validity.append_n(rows, true);
            validity
        });
        // SAFETY: the mask has whole words of 64 rows, in the order of Arrow's bits.
        let mask = unsafe {
            let words = values.count.div_ceil(64);
            std::slice::from_raw_parts(values.validity.cast::<u8>(), words * 8)
        };
        validity.append_packed_range(0..values.count, mask);
    }

    /// What stands behind a NULL is nobody's business: it may be left over from other rows.
    fn blank(&mut self, values: &Values, begin: usize, width: usize) {
        if values.validity.is_null() {
            return;
        }
        let added = &mut self.values.as_slice_mut()[begin..];
        for (row, value) in added.chunks_exact_mut(width).enumerate() {
            if !values.is_valid(row) {
                value.fill(0);
            }
        }
    }

    fn widen<T: Copy + Into<i128>>(&mut self, values: &[T]) {
        self.values.reserve(values.len() * 16);
        for value in values {
            self.values.push::<i128>((*value).into());
        }
    }

    /// # Safety
    /// `values` are 128-bit integers.
    unsafe fn append_huge(&mut self, values: &Values) -> Result<(), &'static str> {
        // SAFETY: as the caller promises; lower before upper half is how an i128 lies here too.
        for (row, value) in unsafe { values.of::<ffi::duckdb_hugeint>() }
            .iter()
            .enumerate()
        {
            let value = i128::from(value.upper) << 64 | i128::from(value.lower);
            let value = if values.is_valid(row) { value } else { 0 };
            if value.unsigned_abs() >= DIGITS_38 {
                return Err("a HUGEINT has more than 38 digits; cast it to DOUBLE or VARCHAR");
            }
            self.values.push(value);
        }
        Ok(())
    }

    /// # Safety
    /// `values` are intervals.
    unsafe fn append_intervals(&mut self, values: &Values) -> Result<(), &'static str> {
        // SAFETY: as the caller promises.
        for (row, value) in unsafe { values.of::<ffi::duckdb_interval>() }
            .iter()
            .enumerate()
        {
            let nanoseconds = match values.is_valid(row) {
                true => value.micros.checked_mul(1000),
                false => Some(0),
            };
            let nanoseconds = nanoseconds.ok_or("an INTERVAL is too long; cast it to VARCHAR")?;
            let (months, days) = match values.is_valid(row) {
                true => (value.months, value.days),
                false => (0, 0),
            };
            self.values
                .push(IntervalMonthDayNano::new(months, days, nanoseconds));
        }
        Ok(())
    }

    /// # Safety
    /// `values` are times with an offset.
    unsafe fn append_times(&mut self, values: &Values) {
        // SAFETY: as the caller promises.
        for (row, value) in unsafe { values.of::<u64>() }.iter().enumerate() {
            let micros = i64::try_from(value >> 24).unwrap_or_default();
            let offset = MAX_OFFSET_SECONDS - i64::from((value & 0xff_ffff) as u32);
            let utc = (micros - offset * 1_000_000).rem_euclid(DAY_MICROS);
            self.values.push(if values.is_valid(row) { utc } else { 0 });
        }
    }

    /// # Safety
    /// `values` are UUIDs.
    unsafe fn append_uuids(&mut self, values: &Values) -> Result<(), &'static str> {
        // SAFETY: as the caller promises.
        for (row, value) in unsafe { values.of::<ffi::duckdb_hugeint>() }
            .iter()
            .enumerate()
        {
            if values.is_valid(row) {
                // DuckDB flips the first bit, so that UUIDs sort as numbers do.
                let high = (value.upper as u64) ^ (1 << 63);
                self.values.extend_from_slice(&uuid_text(high, value.lower));
            }
            self.end_text()?;
        }
        Ok(())
    }

    /// # Safety
    /// `values` are texts or blobs.
    unsafe fn append_texts(&mut self, values: &Values) -> Result<(), &'static str> {
        // SAFETY: as the caller promises; a text that is there has its length in bytes, inside the
        // value if it is short and behind its pointer if not. Behind a NULL nothing is read.
        for (row, value) in unsafe { values.of::<ffi::duckdb_string_t>() }
            .iter()
            .enumerate()
        {
            if values.is_valid(row) {
                unsafe {
                    let length = value.value.inlined.length as usize;
                    let bytes = match length <= value.value.inlined.inlined.len() {
                        true => value.value.inlined.inlined.as_ptr(),
                        false => value.value.pointer.ptr.cast_const(),
                    };
                    let bytes = std::slice::from_raw_parts(bytes.cast::<u8>(), length);
                    self.values.extend_from_slice(bytes);
                }
            }
            self.end_text()?;
        }
        Ok(())
    }

    fn end_text(&mut self) -> Result<(), &'static str> {
        let end = i32::try_from(self.values.len());
        self.offsets
            .push(end.map_err(|_| "2,048 rows of it have more than 2 GB")?);
        Ok(())
    }

    pub(super) fn finish(
        &mut self,
        data_type: &DataType,
        rows: usize,
    ) -> Result<ArrayRef, ArrowError> {
        if self.kind == Kind::Null {
            return Ok(new_null_array(data_type, rows));
        }
        let nulls = self
            .validity
            .take()
            .map(|mut bits| NullBuffer::new(bits.finish()));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        // The next batch will be about as large; growing would double its buffers.
        let next = MutableBuffer::new(self.values.len() + self.values.len() / 8);
        let values = std::mem::replace(&mut self.values, next).into();
        let data = ArrayData::builder(data_type.clone()).len(rows).nulls(nulls);
        let data = match self.kind {
            Kind::Boolean => {
                let bits: BooleanBuffer = self.bits.finish();
                return data.add_buffer(bits.into_inner()).build().map(make_array);
            }
            Kind::Text | Kind::Uuid => {
                let mut next = Vec::with_capacity(self.offsets.len() + self.offsets.len() / 8);
                next.push(0);
                let offsets = std::mem::replace(&mut self.offsets, next);
                data.add_buffer(offsets.into()).add_buffer(values)
            }
            _ => data.add_buffer(values),
        };
        // SAFETY: each buffer holds a value for each row, offsets begin at 0 and only grow, and
        // DuckDB's texts are UTF-8, which it checks where they come in.
        Ok(make_array(unsafe { data.build_unchecked() }))
    }
}

fn uuid_text(high: u64, low: u64) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let places = (0..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
    for (digit, place) in places.enumerate() {
        let half = if digit < 16 { high } else { low };
        text[place] = DIGITS[(half >> (60 - 4 * (digit % 16)) & 15) as usize];
    }
    text
}
