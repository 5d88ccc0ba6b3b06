# SPDX-License-Identifier: GPL-2.0-or-later
# vault agent -config=agent.hcl, as the user of sallyport.
pid_file = "/run/sallyport/vault-agent.pid"

vault {
  address = "https://vault.example.com:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/sallyport/vault/role-id"
      secret_id_file_path                 = "/etc/sallyport/vault/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  static_secret_render_interval = "1m"   # how often a KV secret is looked at
  exit_on_retry_failure         = false  # Vault is away: the last secret serves on
}

# The agent writes a new file and moves it over the old one: the door never sees half a secret.
template {
  contents             = "{{ with secret \"kv/data/sallyport/origin\" }}{{ .Data.data.credential }}{{ end }}"
  destination          = "/etc/sallyport/rendered/origin-credential"
  perms                = "0600"
  error_on_missing_key = true
}
