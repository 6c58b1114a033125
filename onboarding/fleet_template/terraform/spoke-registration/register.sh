#!/bin/sh
# Asks Fleet UI for a registration and waits for it. Needs curl and jq.
#
#   FLEETUI_URL      as https://fleet.example.com
#   FLEETUI_TOKEN    a service token that may read and register
#   FLEETUI_BODY     the registration as JSON: hub, cluster, tenant, environment, secret_name, ...
#   FLEETUI_KEY      a text of your own for this request: sent again, it is not asked twice
#   FLEETUI_UNTIL    decided, approved, committed or healthy (the default); planned tells the plan and asks for nothing
#   FLEETUI_TIMEOUT  how many seconds to wait for that (3600)
#
# Ends with 0 when it came so far, 1 when it was refused or never will, 4 when the time was over: run it again.
set -eu
: "${FLEETUI_URL:?}" "${FLEETUI_TOKEN:?}" "${FLEETUI_BODY:?}" "${FLEETUI_KEY:?}"
until=${FLEETUI_UNTIL:-healthy}
ends=$(($(date +%s) + ${FLEETUI_TIMEOUT:-3600}))
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# The token goes by standard input: arguments can be read by everybody on a machine. Only what is worth another try
# is tried again (no answer, 429, 503); that asks nothing twice, for the key is the same.
call() {
  if printf 'header = "Authorization: Bearer %s"\n' "$FLEETUI_TOKEN" | curl --config - --silent --show-error \
    --fail-with-body --max-time 90 --retry 8 --retry-connrefused --output "$answer" "$@"; then
    return 0
  fi
  jq -r '(.detail // empty), (.errors[]? | "  \(.field): \(.message)")' "$answer" >&2 || true
  exit 1
}

if [ "$until" = planned ]; then
  call --json "$FLEETUI_BODY" "$FLEETUI_URL/api/v1/registrations/plan"
  jq -r '(.warnings[] | "! \(.message)"), (.applications | (.disappear[] | "- \(.name)"), (.change[] | "~ \(.name)"),
    (.appear[] | "+ \(.name)")), .patch, "Content \(.content)"' "$answer"
  exit 0
fi

call --header "Idempotency-Key: $FLEETUI_KEY" --json "$FLEETUI_BODY" "$FLEETUI_URL/api/v1/registrations"
number=$(jq -r .number "$answer")
said=""
most=0 # the first look is told at once
while :; do
  left=$((ends - $(date +%s)))
  [ "$left" -gt 0 ] || left=0
  [ "$left" -lt "$most" ] || left=$most
  most=50
  call "$FLEETUI_URL/api/v1/changes/$number/wait?until=$until&timeout=$left"
  now=$(jq -r '.change | "Change #\(.number): \(.state). \(if .cluster_state.in_git then .cluster_state.says else .waits_for end)"' "$answer")
  [ "$now" = "$said" ] || echo "$now"
  said=$now
  [ "$(jq -r .reached "$answer")" != true ] || exit 0
  if [ "$(jq -r .over "$answer")" = true ]; then
    jq -r '"It will never be so. \(.change.note)"' "$answer" >&2
    exit 1
  fi
  if [ "$(date +%s)" -ge "$ends" ]; then
    echo "It did not come so far in time. Run this again to wait on." >&2
    exit 4
  fi
done
