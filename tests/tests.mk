# SPDX-License-Identifier: MPL-2.0
# Test programs, lint and bench. Included by the Makefile.

# CUnit: every tests/unit/test_LAYER_MODULE.c registers its suite by a constructor, and one program has all of them.
UNIT       := $(BUILD)/tests/unit
$(UNIT): $(call objects,$(wildcard tests/unit/*.c)) $(CLIENT) $(foreach l,supervisor broker worker audit tokendctl,$(BUILD)/lib/$(l).a)
$(BUILD)/obj/tests/unit/test_worker_%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/obj/tests/unit/%.o: EXTRA_CFLAGS += $(JSON_CFLAGS)
# What proto/generate makes of an interface that nobody serves.
SAMPLE := $(foreach f,parameters replies,$(addprefix $(BUILD)/gen/sample/$(f).,c h))
$(SAMPLE): tests/unit/io.example.Sample.varlink $(wildcard proto/generate/*.py)
	$(Q)mkdir -p $(@D) && $(PYTHON) -B proto/generate $(if $(findstring replies,$@),broker/base,broker/methods)/$(@F) $< > $@
$(BUILD)/obj/tests/unit/test_broker_generate.o: | $(SAMPLE)
$(UNIT): $(BUILD)/obj/gen/sample/parameters.o $(BUILD)/obj/gen/sample/replies.o
# The clock of bench_stage.c, and the kernel of test_sandbox_landlock.c.
UNIT_WRAPPED = -Wl,--wrap=now_usec -Wl,--wrap=landlock_version
# Its malloc() is called before a sanitizer is ready.
$(BUILD)/obj/tests/unit/alloc.o: EXTRA_CFLAGS += $(if $(SANITIZE),-fno-sanitize=$(SANITIZE))
$(UNIT): $(BUILD)/lib/proto.a $(DAEMON_LIBS)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) $(UNIT_WRAPPED) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(JSON_LIBS) $(SYSTEMD_LIBS) $(NSS_LIBS) $(NETTLE_LIBS) -lcunit -lpthread

# A PKCS #11 module that stands before another one, counts its calls, and fails on demand.
$(BUILD)/obj/tests/module/%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/tests/libtestmodule.so: $(call objects,$(wildcard tests/module/*.c))
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -o $@ $^ -ldl -lpthread

# A library to be preloaded, in which allocations fail.
$(BUILD)/tests/libmemory.so: $(call objects,tests/memory/memory.c)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -o $@ $^ -ldl

# A user database that does not answer while a file is there.
$(BUILD)/tests/libslownames.so: $(call objects,tests/names/names.c)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -shared -o $@ $^ -ldl

# C programs of the integration tests: users of tokend.h and of nothing else of ours.
PROBES := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/*.c))
$(patsubst %,$(BUILD)/obj/tests/integration/%.o,conformance conformance_secrets habits held sealer signer): EXTRA_CFLAGS = $(NSS_CFLAGS)
$(PROBES): $(BUILD)/tests/%: $(BUILD)/obj/tests/integration/%.o $(BUILD)/libtokend.so
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $< -L$(BUILD) -Wl,-rpath,'$$ORIGIN/..' -ltokend $(PROBE_LIBS) -lpthread
# The CA among them makes certificates with OpenSSL.
$(BUILD)/tests/issuer: PROBE_LIBS = -lcrypto

# A broker with foreign code in it: what that code can reach is tried in the real sandbox of a real tokend. Never installed.
PLANTED := $(BUILD)/tests/planted-broker
$(BUILD)/obj/tests/planted/%.o: EXTRA_CFLAGS = $(JSON_CFLAGS)
$(PLANTED): $(call objects,$(wildcard tests/planted/*.c)) $(call objects,daemon/broker/main.c $(patsubst %,daemon/sandbox/compile/%-rules.c,common broker)) \
		$(BUILD)/lib/broker.a $(BUILD)/lib/proto.a $(DAEMON_LIBS)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -Wl,--wrap=listener_start -Wl,--wrap=main -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(SYSTEMD_LIBS) $(JSON_LIBS)

$(BUILD)/obj/tests/bench/%.o: EXTRA_CFLAGS = $(NSS_CFLAGS)
$(BUILD)/tests/bench: $(call objects,$(filter-out tests/bench/rate.c,$(wildcard tests/bench/*.c))) $(BUILD)/libtokend.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $^ $(NSS_LIBS) $(JSON_LIBS) -ldl -lpthread

$(BUILD)/tests/rate: $(call objects,tests/bench/rate.c) $(BUILD)/libtokend.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) -o $@ $^ $(NSS_LIBS) $(JSON_LIBS) -ldl -lpthread

# The variables that pkg-config fills are read when make starts: after packages were installed, start it again.
JOBS  := $(shell nproc 2>/dev/null || echo 2)
again  = +$(Q)$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))
SANITIZERS = address,undefined

# Records the binary interface of libtokend, which lint compares.
abi:
	@tests/lint/abi record $(BUILD)

.PHONY: abi test-programs whole-programs unit-programs tsan-programs demo test unit tsan integration test-claims test-no-memory soak test-stops soak-module lint lint-build lint-changed lint-changed-build cases bench bench-check bench-plot bench-record bench-flood
# What the integration tests run, and with it those of single modules.
whole-programs: all $(BUILD)/tests/rate $(BUILD)/tests/libtestmodule.so $(BUILD)/tests/libslownames.so $(BUILD)/tests/libmemory.so $(PROBES) $(PLANTED)
test-programs: whole-programs $(UNIT)
unit-programs: $(UNIT)
tsan-programs: $(UNIT) $(BUILD)/tokend $(BUILD)/tokend-worker $(BUILD)/libtokend-pkcs11.so $(PROBES)

demo:
	@tests/deps build demo
	$(again) all
	@BUILD=$(BUILD) tests/demo

# Everything runs on the sanitized build; what measures memory and calls runs on the plain one. A program of docs/clients that cannot be
# had is one test that is skipped.
test integration:
	@tests/deps build test systemd
	-@tests/deps clients
	$(again) whole-programs $(BUILD)/tests/load
	$(again) test-programs SANITIZE=$(SANITIZERS) BUILD=$(BUILD)/sanitize
	$(if $(filter test,$@),$(again) tsan-programs SANITIZE=thread BUILD=$(BUILD)/tsan)
	@$(run_tests)
# What has threads: the supervisor, the worker, the client's library and the PKCS #11 module. The other programs are the plain ones.
tsan:
	@tests/deps build test
	$(again) whole-programs
	$(again) tsan-programs SANITIZE=thread BUILD=$(BUILD)/tsan
	@$(run_tests)
unit:
	@tests/deps build test
	$(again) unit-programs SANITIZE=$(SANITIZERS) BUILD=$(BUILD)/sanitize
	@$(run_tests)
run_tests = PYTHON=$(PYTHON) BUILD=$(BUILD) T='$(T)' tests/run $@

# Two daemons, one token, the same nickname from both at once, 500 times; `make test` does it 20 times.
test-claims:
	@tests/deps build test
	$(again) all
	@cd tests/integration && CLAIM_ROUNDS=500 TOKEND_BUILD='$(abspath $(BUILD))' $(PYTHON) -B -m unittest -v test_claims.Race.test_generate

# Each allocation of each program fails once; `make test` tries a sample of them.
test-no-memory:
	@tests/deps build test
	$(again) whole-programs
	@cd tests/integration && NO_MEMORY=whole TOKEND_BUILD='$(abspath $(BUILD))' TOKEND_PLAIN='$(abspath $(BUILD))' \
		$(PYTHON) -B -W ignore -m unittest -v test_no_memory

# Eight clients, and processes that are killed and stopped; or a service that is stopped and reloaded, so many times. `make test` does both
# for some seconds. SOAK_SEED= repeats a run.
SOAK_SECONDS ?= 600
SOAK_STOPS   ?= 1000
soak test-stops:
	@tests/deps build test
	$(again) whole-programs SANITIZE=$(SANITIZERS) BUILD=$(BUILD)/sanitize
	@cd tests/integration && SOAK_SECONDS=$(SOAK_SECONDS) SOAK_STOPS=$(SOAK_STOPS) SOAK_SEED=$(SOAK_SEED) TOKEND_BUILD='$(abspath $(BUILD))/sanitize' \
		$(PYTHON) -B -W ignore -m unittest -v test_chaos.Soak.test_$(if $(filter soak,$@),strikes,stops)

# nginx and a Java program sign through the module, while processes are killed and the device goes away; `make test` does each once.
soak-module:
	@tests/deps build test clients
	$(again) whole-programs SANITIZE=$(SANITIZERS) BUILD=$(BUILD)/sanitize
	$(again) whole-programs
	@cd tests/integration && SOAK_SECONDS=$(SOAK_SECONDS) TOKEND_BUILD='$(abspath $(BUILD))/sanitize' TOKEND_PLAIN='$(abspath $(BUILD))' \
		$(PYTHON) -B -W ignore -m unittest -v test_module_faults

# The panels of the dashboard, drawn from what Prometheus has of a tokend after a minute.
.PHONY: picture
picture:
	@tests/deps build test
	$(again) whole-programs
	@TOKEND_BUILD='$(abspath $(BUILD))' $(PYTHON) -B tests/monitoring/picture

# A folder of case scripts, DIR/NAME/run BUILD, each of which shows one behaviour on the plain build.
cases: all
	@tests/cases '$(DIR)' '$(abspath $(BUILD))'

# clang compiles everything in a tree of its own; what is left is one script.
lint:
	@tests/deps build lint
	$(again) CC=clang BUILD=$(BUILD)/clang WERROR=1 test-programs $(BUILD)/clang/tests/bench
	$(again) WERROR=1 lint-build
lint-build lint-changed-build: all $(SAMPLE)
	@CFLAGS='$(filter-out -DTOKEND_VERSION=% -DLIBEXECDIR=%,$(TOKEND_CFLAGS)) $(NSS_CFLAGS) $(JSON_CFLAGS)' BUILD=$(BUILD) JOBS=$(JOBS) PYTHON=$(PYTHON) \
		CHANGED=$(if $(findstring changed,$@),$(BUILD)/gen/changed) tests/lint/run
# Of single files only those that differ from BASE: what is not committed, and on a branch what is not in main.
BASE = $(shell git merge-base HEAD main 2>/dev/null || echo HEAD)
lint-changed:
	@git rev-parse -q --verify '$(BASE)^{commit}' >/dev/null || { echo 'lint-changed: BASE=$(BASE) is not a commit; give one, as BASE=main'; exit 1; }
	@mkdir -p $(BUILD)/gen && { git diff --name-only $(BASE); git ls-files --others --exclude-standard; } > $(BUILD)/gen/changed
	$(again) WERROR=1 lint-changed-build

# What sharing costs, all ways side by side, into $(BUILD)/bench.json. BENCH_PART=keys, accelerator, secrets, modules or handshakes: that
# part of the longer comparisons instead; BENCH_PART=all: all of these.
bench:
	@tests/deps build demo bench
	$(again) all $(BUILD)/tests/bench $(BUILD)/tests/rate $(BUILD)/tests/libtestmodule.so
	@if [ -z "$(BENCH_PART)" ]; then $(PYTHON) -B tests/bench/table run $(BUILD) --json $(BUILD)/bench.json; \
	else BUILD=$(BUILD) PYTHON=$(PYTHON) BENCH_PART=$(filter-out all,$(BENCH_PART)) tests/bench/run; fi
# Whether a ratio is worse than the recorded one; draws what was measured; records it.
bench-check: bench
	@$(PYTHON) -B tests/bench/table check $(BUILD)/bench.json tests/bench/record.json
bench-plot:
	@[ -e $(BUILD)/bench.json ] || { echo 'bench-plot: `make bench` comes first'; exit 1; }
	@$(PYTHON) -B tests/bench/table plot $(BUILD)/bench.json $(BUILD)/bench.svg && echo $(BUILD)/bench.svg
bench-record: bench bench-plot
	@cp $(BUILD)/bench.json tests/bench/record.json && cp $(BUILD)/bench.svg docs/bench.svg
# What floods of others cost one client. As root.
bench-flood:
	@tests/deps build demo
	$(again) all
	@$(PYTHON) -B tests/bench/flood $(BUILD)
