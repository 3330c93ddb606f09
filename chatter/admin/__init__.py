"""What operators see and do: `/admin` of the web client, and the HTTP API behind it."""
