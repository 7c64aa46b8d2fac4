"""What ships beside the program: the container files and the pins. None of it can be run here; all of it can be read."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_compose_service_says_how_it_is_healthy(name):
    health = SERVICES[name]["healthcheck"]
    assert health.get("test") or health.get("disable")


@pytest.mark.parametrize("name", SERVICES)
def test_compose_services_wait_for_a_condition_that_their_dependencies_can_meet(name):
    for needed, wait in SERVICES[name].get("depends_on", {}).items():
        one_shot = SERVICES[needed]["healthcheck"].get("disable", False)
        assert wait["condition"] == ("service_completed_successfully" if one_shot else "service_healthy")


def test_compose_publishes_to_this_machine_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_names_its_volumes_and_secrets():
    used = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert sorted(used) == sorted(COMPOSE["volumes"])
    assert SERVICES["ducksync"]["secrets"] == list(COMPOSE["secrets"])


def test_images_are_pinned():
    dockerfile = (ROOT / "Dockerfile").read_text()
    images = [service["image"] for service in SERVICES.values() if "image" in service]
    images += [image for image in re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)]
    assert all(":" in image and not image.endswith(":latest") for image in images)


def test_the_image_is_built_with_the_toolchain_of_the_checkout():
    channel = re.search(r'channel = "(.+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    assert f"FROM rust:{channel}-" in (ROOT / "Dockerfile").read_text()


def test_the_image_does_not_run_as_root():
    users = re.findall(r"^USER (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["ducksync"]


def test_duckdb_and_its_extensions_are_of_one_version():
    setup = re.search(r"^duckdb_version=(\S+)", (ROOT / "scripts" / "setup.sh").read_text(), re.MULTILINE)[1]
    texts = [(ROOT / path).read_text() for path in ("scripts/requirements-extensions.txt", "tests/requirements.txt")]
    pinned = re.findall(r"^duckdb(?:-extension-[a-z-]+)?==(\S+)", "\n".join(texts), re.MULTILINE)
    assert len(pinned) == 6 and set(pinned) == {setup}


def test_libduckdb_is_the_one_that_the_crate_binds():
    major, minor, patch = re.search(
        r"^duckdb_version=(\d+)\.(\d+)\.(\d+)", (ROOT / "scripts" / "setup.sh").read_text(), re.MULTILINE
    ).groups()
    manifest = (ROOT / "Cargo.toml").read_text()
    assert re.search(rf'^libduckdb-sys = "=1\.{major}{int(minor):02}{int(patch):02}\.', manifest, re.MULTILINE)
