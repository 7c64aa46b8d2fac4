//! Compiles the protocol's own messages to a descriptor set, without `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const ROOT: &str = "../../proto";
const FILES: [&str; 2] = ["ducksync/v1/actions.proto", "ducksync/v1/handle.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    let target = PathBuf::from(env::var("OUT_DIR")?).join("ducksync.v1.bin");
    fs::write(target, descriptors.encode_to_vec())?;
    Ok(())
}
