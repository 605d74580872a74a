#include "models/zoo.h"

#include "models/image/densenet.h"
#include "models/image/efficientnet.h"
#include "models/image/resnet.h"
#include "models/image/smallcnn.h"
#include "models/vitals/boosted_trees.h"
#include "models/vitals/gru_d.h"
#include "models/vitals/recurrent.h"
#include "models/vitals/tcn.h"
#include "models/vitals/transformer.h"

namespace salus {

void register_zoo(Registry& registry) {
  registry.add(models::resnet18());
  registry.add(models::resnet34());
  registry.add(models::resnet50());
  registry.add(models::densenet121());
  registry.add(models::efficientnet_b0());
  registry.add(models::smallcnn());
  registry.add(models::gru());
  registry.add(models::lstm());
  registry.add(models::gru_d_entry());
  registry.add(models::tcn());
  registry.add(models::transformer());
  registry.add(models::boosted_trees());
}

}  // namespace salus
