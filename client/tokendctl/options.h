/* SPDX-License-Identifier: MPL-2.0 */
/* The options of the command line. main.c says which verb takes which. */
#pragma once

#include "client/tokendctl/tokendctl.h"

/* The order is that of the rows in options.c. */
enum ctl_option {
        OPTION_SOCKET,
        OPTION_STATUS_SOCKET,
        OPTION_JSON,
        OPTION_TIMEOUT,
        OPTION_HELP,
        OPTION_VERSION,
        OPTION_TYPE, /* from here on: not every verb takes it */
        OPTION_SIZE,
        OPTION_CURVE,
        OPTION_USAGE,
        OPTION_LOADABLE,
        OPTION_ID,
        OPTION_ALGORITHM,
        OPTION_SALT_LENGTH,
        OPTION_DIGEST,
        OPTION_IN,
        OPTION_OUT,
        OPTION_BASE64,
        OPTION_SIGNATURE,
        OPTION_LABEL,
        OPTION_IV,
        OPTION_LENGTH,
        OPTION_PUBLIC_KEY,
        OPTION_DER,
        OPTION_YES,
        OPTION_WATCH,
        OPTION_KEY,
        OPTION_PUBKEY,
        OPTION_FIRST_SEQ,
        OPTION_EXPECT_SEQ,
        OPTION_NO_SIGNATURES,
        OPTION_SUBJECT,
        OPTION_DNS,
        OPTION_DAYS,
        OPTION_CA,
        OPTION_REPLACE,
        OPTION_PEM,
        OPTION_NICKNAME,
        OPTION_SUBSYSTEM,
        OPTION_INSTANCE,
        OPTION_CLAIMANT,
        OPTION_AS,
        OPTION_AAD,
        OPTION_DATA,
        OPTION_OTHER,
        OPTION_FIRST_BIT,
        OPTION_SERIAL,
        OPTION_CONFIG,
        OPTION_LOGIN,
        OPTION_PASSPHRASE_FILE,
        OPTION_SINCE,
        OPTION_UNTIL,
        OPTION_TOKEN,
        OPTION_OPERATION,
        OPTION_MAX_,
};

#define OPTION_BIT(option) (UINT64_C(1) << (option))
/* The options that every verb takes. */
#define OPTIONS_COMMON (OPTION_BIT(OPTION_TYPE) - 1)

/* Reads the options into o, wherever they stand among argv, and leaves optind at the first word that is not an option.
 * *ret_given: the OPTION_BIT() of each option that was given. An exit status; has complained. */
int options_parse(int argc, char **argv, struct ctl_options *o, uint64_t *ret_given);

/* Whether this word is an option that takes the next word as its argument. */
bool options_find(const char *word, enum ctl_option *ret);

/* The name, without its hyphens, of an option whose bit is set. */
const char *options_name(uint64_t bits);
