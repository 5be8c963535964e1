# SPDX-License-Identifier: MPL-2.0
# Packages, built from a copy of the sources below build/deb: `make deb`. Included by the Makefile.

.PHONY: deb
deb:
	@tests/deps build package systemd
	$(again) $(BUILD)/tests/load
	@PYTHON=$(PYTHON) BUILD=$(BUILD) VERSION=$(VERSION) packaging/deb
