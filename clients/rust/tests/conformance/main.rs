//! Tests every feature against real services. `make test-clients` starts them.

mod stage;

use std::{
    iter::zip,
    time::{Duration, Instant},
};

use serde_json::json;
use weight_init_client::{npy, Client, Data, Dtype, RecommendRequest, Request, WeightInitError};

use stage::{client_for, golden, report_feature, sha256_of, sha256_of_file, stage, to_floats, to_request, to_shape, Folder};

#[test]
fn init_returns_the_golden_values() {
    let client = client_for("url");
    for (request, answer) in golden() {
        let tensor = client.init(&to_request(request)).unwrap();
        assert_eq!(tensor.shape, to_shape(answer), "{request}");
        assert_eq!(tensor.data.dtype().name(), answer["dtype"], "{request}");
        assert_eq!(sha256_of(&tensor.data), answer["sha256"], "{request}");
        let first = to_floats(&answer["first"]);
        assert_eq!(tensor.data.f64()[..first.len()], first, "{request}");
        assert_eq!(tensor.metadata["dtype"], answer["dtype"], "{request}");
    }
    report_feature("golden");
}

#[test]
fn every_dtype_arrives_exactly() {
    let client = client_for("url");
    let values = |dtype| client.init(&Request::new([64, 64]).scheme("normal").seed(7).dtype(dtype)).unwrap().data;
    let (request, answer) = golden().find(|(request, _)| request["dtype"] == "float64").unwrap();
    let double = client.init(&to_request(request)).unwrap().data;
    assert_eq!(sha256_of(&double), answer["sha256"]);
    assert!(matches!(double, Data::F64(values) if values[0] == answer["first"][0]));
    let single = values(Dtype::F32);
    for (dtype, fraction_bits, lowest_exponent) in [(Dtype::F16, 10, -14), (Dtype::BF16, 7, -126)] {
        let narrow = values(dtype);
        for ((&bits, &value), &unrounded) in zip(zip(narrow.bits().unwrap(), &*narrow.f64()), &*single.f64()) {
            assert_eq!(value, exact_value(bits, fraction_bits, lowest_exponent), "{dtype} {bits:#06x}");
            let spacing = unrounded.abs().max(2f64.powi(lowest_exponent)) * 2f64.powi(-fraction_bits);
            assert!((value - unrounded).abs() <= spacing / 2.0, "{dtype}: {unrounded} became {value}");
        }
    }
    let corners = Data::F16(vec![0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00]).into_f32();
    assert_eq!(corners[..5], [5.9604645e-8, -5.9604645e-8, 6.097555e-5, 6.103_515_6e-5, 65504.0]);
    assert_eq!(corners[5..7], [f32::INFINITY, f32::NEG_INFINITY]);
    assert!(corners[7].is_nan());
    report_feature("wide");
}

/// Returns the value of a finite number by its IEEE 754 definition.
fn exact_value(bits: u16, fraction_bits: i32, lowest_exponent: i32) -> f64 {
    let exponent = i32::from(bits & 0x7fff) >> fraction_bits;
    let fraction = f64::from(bits % (1 << fraction_bits)) / 2f64.powi(fraction_bits);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(lowest_exponent),
        _ => (1.0 + fraction) * 2f64.powi(exponent - 1 + lowest_exponent),
    };
    if bits >> 15 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

#[test]
fn seeds_keep_every_digit() {
    let client = client_for("url");
    let (_, answer) = golden().find(|(request, _)| request["seed"] == "18446744073709551615").unwrap();
    let largest = client.init(&Request::new([7, 5]).scheme("normal").seed(u64::MAX)).unwrap();
    assert_eq!(largest.seed, u64::MAX);
    assert_eq!(sha256_of(&largest.data), answer["sha256"]);

    let unseeded = Request::new([7, 5]).scheme("normal");
    let first = client.init(&unseeded).unwrap();
    let again = client.init(&unseeded.seed(first.seed)).unwrap();
    assert_eq!((again.seed, again.data), (first.seed, first.data));
    report_feature("seed");
}

#[test]
fn a_slice_equals_that_part_of_the_whole_tensor() {
    let client = client_for("url");
    let whole = Request::new([64, 64]).activation("tanh").seed(7);
    let part = client.init(&whole.clone().slice("10:20, ::-3")).unwrap();
    let values = client.init(&whole).unwrap().data.into_f32();
    let expected: Vec<f32> =
        (10..20).flat_map(|row| (0..64).rev().step_by(3).map(move |column| row * 64 + column)).map(|index| values[index]).collect();
    assert_eq!(part.shape, [10, 22]);
    assert_eq!(part.data.into_f32(), expected);
    report_feature("slice");
}

#[test]
fn recommends_schemes_and_lists_schemes_and_activations() {
    let client = client_for("url");
    let advice = client.recommend(&RecommendRequest::new("relu").fan_in(784)).unwrap();
    assert_eq!(advice["scheme"], "he_normal");
    assert!((advice["stddev"].as_f64().unwrap() - (2f64 / 784.0).sqrt()).abs() < 1e-12);
    assert!(advice["reason"].as_str().unwrap().contains("ReLU"));

    let residual = client.recommend(&RecommendRequest::default().layer("residual_output").with("num_layers", 12)).unwrap();
    assert_eq!(residual["scheme"], "gpt2_residual");
    let formula = client.recommend(&RecommendRequest::new(json!({"expression": "x*tanh(softplus(x))"}))).unwrap();
    assert_eq!(formula["scheme"], "variance_scaling");

    assert!(client.schemes().unwrap().iter().any(|row| row["name"] == "he_normal"));
    assert!(client.activations().unwrap().iter().any(|row| row["name"] == "relu"));
    report_feature("advice");
}

#[test]
fn warnings_name_the_scheme() {
    let poor = client_for("url").init(&Request::new([2, 3]).scheme("zeros").activation("relu")).unwrap();
    assert!(poor.warnings().any(|warning| warning.starts_with("zeros: ")));
}

#[test]
fn download_writes_a_complete_file_or_none() {
    let client = client_for("url");
    let folder = Folder::new("download");
    let raw = golden().find(|(request, _)| request["format"] == "raw").unwrap();
    for (request, answer) in golden().filter(|(request, _)| request["format"] != "raw").chain([raw]) {
        let mut fields = request.clone();
        let format = fields.as_object_mut().unwrap().remove("format").unwrap(); // the extension selects it
        let path = folder.path(&format!("w.{}", if format == "raw" { "bin" } else { format.as_str().unwrap() }));
        let metadata = client.download(&path, &to_request(&fields)).unwrap();
        assert_eq!(sha256_of_file(&path), answer["file_sha256"], "{request}");
        assert_eq!(metadata["shape"], answer["shape"], "{request}");

        client.download(folder.path("by-request"), &to_request(request)).unwrap(); // the request selects the format
        assert_eq!(sha256_of_file(&folder.path("by-request")), answer["file_sha256"], "{request}");
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(folder.names(), ["by-request"]);

    let refused = client.download(folder.path("refused.npy"), &Request::new([2, 3]).scheme("he_norml")).unwrap_err();
    assert_eq!(refused.status, 422);
    let missing_folder = client.download(folder.path("no-folder/w.npy"), &Request::new([2, 3])).unwrap_err();
    assert_eq!((missing_folder.status, &*missing_folder.title), (0, "File Error"));
    let is_a_folder = client.download(folder.path(""), &Request::new([2, 3])).unwrap_err();
    assert_eq!((is_a_folder.status, &*is_a_folder.title), (0, "File Error"));
    assert_eq!(folder.names(), ["by-request"]);
    report_feature("download");
}

#[test]
fn npy_reads_a_downloaded_file() {
    let client = client_for("url");
    let folder = Folder::new("npy");
    let request = Request::new([64, 3, 7, 7]).activation("relu").seed(7);
    client.download(folder.path("w.npy"), &request).unwrap();
    let (file, tensor) = (npy::open(folder.path("w.npy")).unwrap(), client.init(&request).unwrap());
    assert_eq!((file.shape, file.data), (tensor.shape, tensor.data));
}

#[test]
fn an_error_names_the_invalid_field_and_what_to_do() {
    let error = client_for("url").init(&Request::new([2, 3]).scheme("he_norml")).unwrap_err();
    assert_eq!(error.status, 422);
    assert_eq!(error.title, "Unprocessable Entity");
    assert!(error.detail.contains("he_normal"), "{error}");
    assert_eq!(error.to_string(), error.detail);
    assert_eq!(error.errors[0].field, "scheme");
    assert!(error.errors[0].action.contains("he_normal"), "{error:?}");
    report_feature("error");
}

#[test]
fn sends_the_api_key() {
    let request = Request::new([2, 3]).seed(7);
    let without = client_for("keyed_url").init(&request).unwrap_err();
    assert_eq!(without.status, 401, "{without}");
    let client = client_for("keyed_url").api_key(stage()["key"].as_str().unwrap());
    assert_eq!(client.init(&request).unwrap().shape, [2, 3]);
    assert!(!format!("{client:?}").contains(stage()["key"].as_str().unwrap()));
    report_feature("key");
}

#[test]
fn retries_after_too_many_requests() {
    let client = client_for("limited_url");
    for _ in 0..3 {
        assert!(!client.schemes().unwrap().is_empty());
    }
    let impatient = client.retries(0);
    let error = (0..20).find_map(|_| impatient.schemes().err()).unwrap();
    assert_eq!(error.status, 429, "{error}");
    report_feature("retry");
}

#[test]
fn gives_up_on_a_service_that_stays_busy() {
    let error = client_for("busy_url").retries(1).init(&Request::new([100, 1000])).unwrap_err();
    assert_eq!(error.status, 503, "{error}");
    report_feature("busy");
}

#[test]
fn resumes_a_broken_connection() {
    let folder = Folder::new("resume");
    let request = Request::new([3000, 500]).activation("relu").seed(7);
    let cut = client_for("cutting_url");
    let whole = client_for("url").init(&request).unwrap();
    let resumed = cut.init(&request).unwrap();
    assert_eq!((resumed.shape, resumed.data), (whole.shape, whole.data));

    client_for("url").download(folder.path("whole.npy"), &request).unwrap();
    cut.download(folder.path("resumed.npy"), &request).unwrap();
    assert_eq!(sha256_of_file(&folder.path("resumed.npy")), sha256_of_file(&folder.path("whole.npy")));

    let without_retries = cut.retries(0);
    for error in [without_retries.init(&request).unwrap_err(), without_retries.download(folder.path("cut.npy"), &request).unwrap_err()] {
        assert_eq!((error.status, &*error.title), (0, "Broken Connection"), "{error}");
    }
    assert!(!folder.names().iter().any(|name| name.contains("cut")));
    report_feature("resume");
}

#[test]
fn times_out_if_the_service_hangs() {
    let client = client_for("hanging_url").timeout(Duration::from_millis(500));
    let start = Instant::now();
    let error = client.init(&Request::new([2, 3])).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((error.status, &*error.title), (0, "Timeout"), "{error}");
    assert!(error.detail.contains("for 0.5 s"), "{error}");
    report_feature("timeout");
}

#[test]
fn reports_that_no_weight_init_service_answers() {
    let error = client_for("closed_url").retries(0).init(&Request::new([2, 3])).unwrap_err();
    assert_eq!(error.status, 0);
    assert!(error.detail.starts_with("No service answers at http://127.0.0.1:"), "{error}");

    let foreign = client_for("foreign_url");
    let folder = Folder::new("nobody");
    let request = Request::new([2, 3]);
    for error in [
        foreign.init(&request).unwrap_err(),
        foreign.recommend(&RecommendRequest::new("relu")).unwrap_err(),
        foreign.schemes().unwrap_err(),
        foreign.download(folder.path("w.npy"), &request).unwrap_err(),
    ] {
        assert_eq!(error.status, 200);
        assert!(error.detail.contains("<title>Welcome</title>"), "{error}");
        assert!(error.detail.ends_with("Check that this is the URL of a weight-init service."), "{error}");
    }
    assert!(folder.names().is_empty());

    let without_scheme = Client::new("127.0.0.1:8000").init(&request).unwrap_err();
    assert_eq!((without_scheme.status, &*without_scheme.title), (0, "Bad URL"), "{without_scheme}");
    report_feature("nobody");
}

#[test]
fn reads_npy_files_of_every_version_and_order() {
    for row in stage()["npy"].as_array().unwrap() {
        let path = row["file"].as_str().unwrap();
        if row["refused"] == true {
            let WeightInitError { status, detail, .. } = npy::open(path).unwrap_err();
            assert!(status == 0 && detail.starts_with(path) && detail.contains("Expected"), "{detail}");
            continue;
        }
        let array = npy::open(path).unwrap();
        assert_eq!(array.shape, to_shape(row), "{path}");
        assert_eq!(array.data.dtype().name(), row["dtype"], "{path}");
        assert_eq!(*array.data.f64(), to_floats(&row["values"]), "{path}");
    }
    let missing = npy::open("no-such-file.npy").unwrap_err();
    assert_eq!(missing.title, "File Error");
    report_feature("npy");
}
