/* SPDX-License-Identifier: MPL-2.0 */
/* What operators see: as the JSON of io.tokend.Status.Get, and as OpenMetrics text. Touches no device and
 * waits for nothing. */
#pragma once

#include "daemon/broker/base/output.h"
#include "daemon/broker/model/context.h"

void status_put(struct broker *broker, struct output *output);
void metrics_put(struct broker *broker, struct output *output);
