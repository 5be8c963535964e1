/* SPDX-License-Identifier: MPL-2.0 */
/* What operators see: as the JSON of io.tokend.Status.Get, and as OpenMetrics text. Touches no device and
 * waits for nothing. */
#pragma once

#include "daemon/broker/base/output.h"
#include "daemon/broker/model/context.h"

struct op;

/* Whether it is root or the daemon's own user who asks for that, and of which token: op->token is set. Else the op has failed. */
bool find_operators_token(struct op *op, const char *operation, const char *name);

void status_put(struct broker *broker, struct output *output);
void metrics_put(struct broker *broker, struct output *output);
