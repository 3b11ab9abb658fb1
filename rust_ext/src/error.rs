//! The one error of this crate; Python sees it as `LambdaError(ValueError)`.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LambdaError {
    /// What was met, why it matters, what to do.
    pub message: String,
    /// Characters before the fault in the text; None where the fault is not at a place in a text.
    pub position: Option<usize>,
}

impl LambdaError {
    pub fn at(position: usize, what: impl std::fmt::Display) -> Self {
        Self { message: format!("character {position}: {what}"), position: Some(position) }
    }

    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), position: None }
    }
}

impl From<std::io::Error> for LambdaError {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("the output cannot be written: {error}. What is unfinished is never taken for whole; free space or set permissions, then run again."))
    }
}

impl From<parquet::errors::ParquetError> for LambdaError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::new(format!("the Parquet file cannot be written: {error}. What is unfinished is never taken for whole; free space or set permissions, then run again."))
    }
}

impl From<arrow_schema::ArrowError> for LambdaError {
    fn from(error: arrow_schema::ArrowError) -> Self {
        parquet::errors::ParquetError::from(error).into()
    }
}

pub type Result<T> = std::result::Result<T, LambdaError>;
