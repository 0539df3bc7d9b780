// Package openapi holds the OpenAPI description of the ledger's REST twin,
// generated from proto/cityproof/ledger/v1.
package openapi

import _ "embed"

// Ledger is the description of cityproof.ledger.v1, OpenAPI 2.0 as JSON.
//
//go:embed cityproof.swagger.json
var Ledger []byte
