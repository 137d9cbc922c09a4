//! A benchmark: for each line on stdin, it fetches 64 MiB of float32 and prints the elapsed seconds.

use std::{error::Error, io, time::Instant};

use weight_init_client::{Client, Request};

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::from_env();
    let request = Request::new([4096, 4096]).scheme("normal").seed(7);
    client.init(&request)?; // warm up
    for line in io::stdin().lines() {
        line?;
        let start = Instant::now();
        let tensor = client.init(&request)?;
        println!("{}", start.elapsed().as_secs_f64());
        drop(tensor);
    }
    Ok(())
}
