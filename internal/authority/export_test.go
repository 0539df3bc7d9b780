package authority

import registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"

// Wrap makes an authority of any message.
func Wrap(m *registryv1.Authority) *Authority { return &Authority{m} }

// Unwrap returns the message of an authority.
func Unwrap(a *Authority) *registryv1.Authority { return a.message }
