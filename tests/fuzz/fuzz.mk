# SPDX-License-Identifier: MPL-2.0
# Targets for a fuzzer, one for each tests/fuzz/fuzz_NAME.c. Included by the Makefile. With main.c instead of a fuzzer
# they replay tests/fuzz/corpus/NAME, which `make test` does; `make fuzz` builds them with libFuzzer, in a tree of its own.

FUZZ_SECONDS ?= 20
FUZZ         := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/tests/fuzz-%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BUILD    = $(BUILD)/fuzz
libfuzzer    := $(findstring fuzzer-no-link,$(SANITIZE))

$(BUILD)/obj/tests/fuzz/%.o: EXTRA_CFLAGS = $(JSON_CFLAGS)
$(FUZZ): $(BUILD)/tests/fuzz-%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(if $(libfuzzer),,$(BUILD)/obj/tests/fuzz/main.o) \
		$(BUILD)/lib/proto.a $(DAEMON_LIBS)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(LDFLAGS) $(TOKEND_LDFLAGS) $(if $(libfuzzer),-fsanitize=fuzzer) $(FUZZ_WRAPPED) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(JSON_LIBS) $(SYSTEMD_LIBS) $(NETTLE_LIBS) -lpthread
# The programs of the daemon are not made to live in one: what a target needs of them is named.
worker = $(call objects,$(patsubst %,daemon/worker/encoding/%.c,$(1)))
$(BUILD)/tests/fuzz-request: $(BUILD)/obj/gen/broker/methods/parameters.o
$(BUILD)/tests/fuzz-certificate: $(call worker,certificate dn dn-text)
$(BUILD)/tests/fuzz-name: $(call worker,dn dn-text)
$(BUILD)/tests/fuzz-der: $(call worker,signature)
$(BUILD)/tests/fuzz-claim: $(call objects,daemon/worker/claims/claim-record.c)
$(BUILD)/tests/fuzz-record: $(call objects,$(patsubst %,daemon/audit/%.c,foreign-record line own-kind))
$(BUILD)/tests/fuzz-reply $(BUILD)/tests/fuzz-stream: $(CLIENT)
$(BUILD)/tests/fuzz-stream: FUZZ_WRAPPED = -Wl,--wrap=recv,--wrap=clock_nanosleep
$(BUILD)/obj/tests/fuzz/fuzz_module.o: EXTRA_CFLAGS += $(NSS_CFLAGS)
$(BUILD)/tests/fuzz-module: $(MODULE) $(CLIENT)
$(BUILD)/tests/fuzz-module: FUZZ_WRAPPED = -Wl,--wrap=socket_connect,--wrap=clock_nanosleep
$(BUILD)/tests/fuzz-chain: $(call objects,$(patsubst %,client/tokendctl/%.c,chain pem))

$(BUILD)/tests/fuzz-doctor: $(call objects,$(patsubst %,daemon/doctor/%.c,module-report finding))
$(BUILD)/tests/fuzz-backup: $(call objects,daemon/backup/archive.c)

# The broker's stage of the unit tests.
$(BUILD)/tests/fuzz-worker: $(call objects,$(patsubst %,tests/unit/bench_%.c,stage worker token sealed audit client report)) $(BUILD)/lib/broker.a
$(BUILD)/tests/fuzz-worker: FUZZ_WRAPPED = -Wl,--wrap=now_usec

.PHONY: fuzz fuzz-programs
fuzz-programs: $(FUZZ)
test-programs: $(FUZZ)

fuzz:
	@tests/deps build fuzz
	@tests/fuzz/run check
	$(again) CC=clang SANITIZE=fuzzer-no-link,address,undefined BUILD=$(FUZZ_BUILD) fuzz-programs
	@BUILD=$(FUZZ_BUILD) SECONDS_EACH=$(FUZZ_SECONDS) T='$(T)' tests/fuzz/run fuzz
