//! The host's own C++, behind the same crate that the library uses for its own.

#[cxx::bridge]
mod ffi {
    unsafe extern "C++" {
        include!("vozduxan-host/cxx/scale.h");

        /// Bars of a level meter from 0 to 10 for a share from 0 to 1.
        fn bars(share: f64) -> Result<i32>;
    }
}

/// Bars of a level meter from 0 to 10 for a share from 0 to 1.
///
/// # Errors
/// The text of the C++ exception for any other number.
pub fn bars(share: f64) -> Result<i32, String> {
    ffi::bars(share).map_err(|error| error.what().to_owned())
}
