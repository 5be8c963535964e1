# SPDX-License-Identifier: MPL-2.0
# The model of how a nickname is kept unique over hosts. Included by the Makefile.
.PHONY: model
model:
	@tests/deps model
	@BUILD='$(BUILD)' CC='$(CC)' tests/model/run
