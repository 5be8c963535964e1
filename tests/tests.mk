# SPDX-License-Identifier: MPL-2.0
# Test programs, lint and bench. Included by the Makefile.

# One CUnit program: every tests/unit/test_*.c registers its suite by a constructor.
UNIT := $(call objects,$(wildcard tests/unit/*.c))
UNIT_LIBS = $(BUILD)/lib/broker.a $(BUILD)/lib/supervisor.a $(BUILD)/lib/worker.a \
	$(BUILD)/lib/audit.a $(BUILD)/libtokend.a $(DAEMON_LIBS)
$(BUILD)/obj/tests/unit/test_worker_%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/obj/tests/unit/%.o: EXTRA_CFLAGS += $(JSON_CFLAGS)
$(BUILD)/tests/unit: $(UNIT) $(UNIT_LIBS)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $(UNIT) \
		-Wl,--start-group $(UNIT_LIBS) -Wl,--end-group $(JSON_LIBS) $(SYSTEMD_LIBS) $(SECCOMP_LIBS) $(NSS_LIBS) $(NETTLE_LIBS) -lcunit -lpthread

# A PKCS #11 module that stands before another one, counts its calls, and fails on demand.
$(BUILD)/obj/tests/module/%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/tests/libtestmodule.so: $(call objects,$(wildcard tests/module/*.c))
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -o $@ $^ -ldl -lpthread

# C programs of the integration tests: users of tokend.h and of nothing else of ours.
PROBES := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/*.c))
$(PROBES): $(BUILD)/tests/%: $(BUILD)/obj/tests/integration/%.o $(BUILD)/libtokend.so
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $< -L$(BUILD) -Wl,-rpath,'$$ORIGIN/..' -ltokend -lpthread

$(BUILD)/obj/tests/bench/%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/tests/bench: $(call objects,$(wildcard tests/bench/*.c)) $(BUILD)/libtokend.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $^ $(NSS_LIBS) $(JSON_LIBS) -ldl -lpthread

# The variables that pkg-config fills are read when make starts: after packages were installed, start it again.
JOBS  := $(shell nproc 2>/dev/null || echo 2)
again  = +$(Q)$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
SANITIZERS = address,undefined

.PHONY: test-programs demo test unit integration lint lint-build bench
test-programs: all $(BUILD)/tests/unit $(BUILD)/tests/libtestmodule.so $(PROBES)

demo:
	@tests/deps build demo
	$(again) all
	@BUILD=$(BUILD) tests/demo

# Everything runs on the sanitized build; what measures memory and calls runs on the plain one.
test unit integration:
	@tests/deps build test
	$(again) test-programs
	$(again) test-programs SANITIZE=$(SANITIZERS) BUILD=$(BUILD)/sanitize
	@PYTHON=$(PYTHON) BUILD=$(BUILD) T='$(T)' tests/run $@

# clang compiles everything in a tree of its own; what is left is one script.
lint:
	@tests/deps build lint
	$(again) CC=clang BUILD=$(BUILD)/clang WERROR=1 test-programs $(BUILD)/clang/tests/bench
	$(again) WERROR=1 lint-build
lint-build: all
	@CFLAGS='$(TOKEND_CFLAGS) $(NSS_CFLAGS) $(JSON_CFLAGS)' BUILD=$(BUILD) JOBS=$(JOBS) PYTHON=$(PYTHON) tests/lint/run

bench:
	@tests/deps build demo
	$(again) all $(BUILD)/tests/bench
	@BUILD=$(BUILD) tests/bench/run
