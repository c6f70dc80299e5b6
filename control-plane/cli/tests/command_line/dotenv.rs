//! The file `.env` of the folder that a command is typed in.

use std::net::TcpListener;

use crate::program::{portcullis, reserve, said, words};

#[test]
fn it_uses_the_settings_of_a_dot_env_file_tells_so_and_the_environment_wins() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("named");
    let text = format!(
        "PORTCULLIS_DATA={}\nPOSTGRES_PASSWORD=x7\n",
        named.display()
    );
    std::fs::write(folder.path().join(".env"), text).unwrap();
    let output = portcullis(folder.path(), &["down"])
        .env_remove("PORTCULLIS_DATA")
        .env_remove("POSTGRES_PASSWORD")
        .output()
        .unwrap();
    assert!(said(&output).contains("/named)"), "{}", said(&output));
    let told = "`.env` sets PORTCULLIS_DATA, POSTGRES_PASSWORD\n";
    assert!(words(&output).starts_with(told), "{}", words(&output));
    assert!(!said(&output).contains("x7"), "{}", said(&output));
    let output = portcullis(folder.path(), &["down"]).output().unwrap();
    assert!(said(&output).contains("/data)"), "{}", said(&output));
}

#[test]
fn it_asks_nobody_whom_the_file_of_a_folder_names() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = stranger.local_addr().unwrap();
    let text =
        format!("CONTROL_PLANE_REST_ADDRESS={address}\nPORTCULLIS_URL=http://{address}/mcp\n");
    std::fs::write(folder.path().join(".env"), text).unwrap();
    let (_reserved, nobody) = reserve();
    let nobody = nobody.to_string();
    let url = format!("http://{nobody}/mcp");
    for (arguments, variable) in [
        (
            ["nodes", "--rest-address", &nobody].as_slice(),
            "CONTROL_PLANE_REST_ADDRESS",
        ),
        (&["tools", "call", "x", "--url", &url], "PORTCULLIS_URL"),
    ] {
        let mut command = portcullis(folder.path(), arguments);
        command
            .env_remove("CONTROL_PLANE_REST_ADDRESS")
            .env_remove("PORTCULLIS_URL");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", words(&output));
        let hint = words(&output).contains("`portcullis up` and `down` alone read that file");
        assert!(
            hint && words(&output).contains(variable),
            "{}",
            words(&output)
        );
    }
    stranger.set_nonblocking(true).unwrap();
    assert!(
        stranger.accept().is_err(),
        "it asked the address of the file"
    );
}
