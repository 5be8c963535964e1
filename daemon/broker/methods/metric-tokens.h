/* SPDX-License-Identifier: MPL-2.0 */
/* The families of metrics that have a token each. Touches no device. */
#pragma once

#include "daemon/broker/base/output.h"
#include "daemon/broker/model/context.h"

void metric_tokens_put(struct broker *broker, struct output *output);
