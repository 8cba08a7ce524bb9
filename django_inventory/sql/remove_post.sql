-- Take away what post.sql has made, in the opposite order.

DROP FUNCTION @schema@.django_inventory_sweep;
DROP FUNCTION @schema@.django_inventory_post;
DROP FUNCTION @schema@.django_inventory_bulk;
DROP FUNCTION @schema@.django_inventory_prepare;
DROP FUNCTION @schema@.django_inventory_step;
DROP FUNCTION @schema@.django_inventory_apply_to_hold;
DROP FUNCTION @schema@.django_inventory_answer_resolved;
DROP FUNCTION @schema@.django_inventory_apply;
DROP FUNCTION @schema@.django_inventory_lock_pair;
DROP FUNCTION @schema@.django_inventory_expire;
DROP FUNCTION @schema@.django_inventory_move;
DROP FUNCTION @schema@.django_inventory_lock;
DROP FUNCTION @schema@.django_inventory_receipt;
DROP FUNCTION @schema@.django_inventory_operations;
DROP FUNCTION @schema@.django_inventory_microseconds;
DROP FUNCTION @schema@.django_inventory_uuid7;
DROP FUNCTION @schema@.django_inventory_refuse;
